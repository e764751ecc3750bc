"""A whole evaluation with a pretend model, the suites, and that nobody who thinks sees a gold answer."""

from __future__ import annotations

import argparse
import ast
import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest

import system2
from system2.cli.evaluate import counts, evaluate, show
from system2.core import FREE, Bill, Budget, CallFailed, Delta, Price, Request, Usage
from system2.evals import Policies, Report, Settings, suite, suites, to_json
from system2.evals import evaluate as measure
from system2.evals.estimators import pass_at, wilson
from system2.evals.plot import plot, ready
from system2.evals.problems import DRAWN, same
from system2.policies.local import OUTSIDE


@dataclass
class Oracle:
    """Knows the answers of a suite by heart. Of its samples, those with an even seed are right."""

    known: dict[str, str]
    sure: bool = False
    can: frozenset[str] = frozenset({"continue", "n", "logprobs"})
    asked: list[Request] = field(default_factory=list[Request])

    def prompt_bound(self, request: Request) -> int:
        return 10

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Bill]:
        self.asked.append(request)
        await asyncio.sleep(0)
        gold = self.known[request.problem.question]
        for child, seed in enumerate(request.seeds):
            right = self.sure or seed % 2 == 0
            answer = gold if right else OUTSIDE if seed % 3 == 0 else "no"
            yield Delta(child, "hm", logprobs=(-0.1,), ids=(1,))
            yield Delta(child, answer, 1, logprobs=(-0.5,), ids=(2,), end="answer", answer=answer)
        yield Bill(Usage(prompt=10, reasoning=3 * request.n, calls=1))


class Broken(Oracle):
    """A server that is not there."""

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Bill]:
        self.asked.append(request)
        if request.n:
            raise CallFailed("no server at http://nowhere", retry=False)
        yield Bill(Usage())


def golds(name: str, limit: int) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in suite(name, limit):
        found[item.question] = DRAWN[item.task].answer(item.facts)
    return found


def run(name: str, limit: int = 12, price: Price | None = FREE, **options: object) -> Report:
    known = golds(name, limit)
    models = Policies(Oracle(known), Oracle(known, sure=True))
    settings = Settings(suite=name, samples=(1, 2, 8), **options)  # type: ignore[arg-type]
    return asyncio.run(measure(suite(name, limit), settings, models, price))


def test_from_end_to_end() -> None:
    price = Price(Decimal(1), Decimal(2))
    found = run("addition", price=price)
    again = run("addition", price=price)
    assert found.rows == again.rows
    assert {row.method for row in found.rows} == {"direct", "chain", "majority", "weighted", "pass"}
    for method in ("direct", "chain"):
        row = found.row(method)
        assert row is not None
        assert row.accuracy.value == 1.0
        assert (row.accuracy.low, row.accuracy.high) == wilson(12, 12)
        assert (row.tokens, row.prompt) == (3, 10)
        assert row.dollars == pytest.approx((10 * 1 + 3 * 2) / 1e6)
    one, two, eight = (found.row("pass", k) for k in (1, 2, 8))
    assert one is not None
    assert two is not None
    assert eight is not None
    assert 0.3 < one.accuracy.value < two.accuracy.value < eight.accuracy.value
    assert (eight.tokens, two.tokens, one.tokens) == (24, 6, 3)
    for method in ("majority", "weighted"):
        row = found.row(method, 1)
        assert row is not None
        assert row.accuracy.value == pytest.approx(one.accuracy.value)
    # 12 problems: a direct answer, a chain and 8 samples of 3 tokens each
    assert found.usage.completion == 12 * 10 * 3
    assert found.usage.prompt == 12 * 10 * 10
    assert found.cost == price.of(found.usage)
    assert found.refused is not None
    assert 0 < found.refused.value < 0.5
    assert found.refused_chain is not None
    assert found.refused_chain.value == 0
    assert (found.unanswered, found.failures, found.families) == (0.0, 0, ())


def test_a_budget_ends_it_with_what_is_done() -> None:
    """12 problems would cost 360 tokens; a problem that the budget cut in two is none."""
    known = golds("addition", 12)
    models = Policies(Oracle(known), Oracle(known, sure=True))
    settings = Settings(suite="addition", samples=(1, 2, 8), per_call=3, problems=2)
    found = asyncio.run(
        measure(suite("addition", 12), settings, models, FREE, budget=Budget(tokens=200))
    )
    assert 0 < found.problems < 12
    assert 30 * found.problems <= found.usage.completion - found.usage.overrun <= 200
    chain = found.row("chain")
    assert chain is not None
    assert chain.accuracy.value == 1.0
    with pytest.raises(RuntimeError, match="before one problem"):
        asyncio.run(
            measure(suite("addition", 12), settings, models, FREE, budget=Budget(tokens=20))
        )


def test_it_can_be_halted() -> None:
    known = golds("addition", 12)
    models = Policies(Oracle(known), Oracle(known, sure=True))
    settings = Settings(suite="addition", samples=(2,), problems=1)

    async def halting() -> Report:
        halt = asyncio.Event()

        def watch(done: int, tokens: int) -> None:
            if done == 3:
                halt.set()

        return await measure(suite("addition", 12), settings, models, FREE, watch=watch, halt=halt)

    assert 3 <= asyncio.run(halting()).problems < 12


def test_the_model_sees_the_question_alone() -> None:
    known = golds("countdown4", 3)
    sampler, greedy = Oracle(known), Oracle(known, sure=True)
    settings = Settings(suite="countdown4", samples=(2,))
    asyncio.run(measure(suite("countdown4", 3), settings, Policies(sampler, greedy), FREE))
    for request in (*sampler.asked, *greedy.asked):
        assert request.problem.given is None
        assert request.problem.question in known
        assert known[request.problem.question] not in str(request)
    assert [r.problem.effort for r in greedy.asked].count("none") == 3
    assert len({seed for r in sampler.asked for seed in r.seeds}) == 6


def test_countdown_has_its_control_and_all_has_its_tasks() -> None:
    control = run("countdown4", 4).row("random", 8)
    assert control is not None
    assert 0 < control.accuracy.value < 0.5
    found = run("all", 16)
    assert sorted(family.problems for family in found.families) == [1] * 14 + [2]
    assert found.row("random", 8) is None


def test_the_estimates_are_those_of_the_samples() -> None:
    """One problem, judged by hand."""
    known = golds("addition", 1)
    sampler = Oracle(known)
    settings = Settings(suite="addition", samples=(1, 2, 8))
    models = Policies(sampler, Oracle(known, sure=True))
    found = asyncio.run(measure(suite("addition", 1), settings, models, FREE))
    right = sum(seed % 2 == 0 for request in sampler.asked for seed in request.seeds)
    for k in (1, 2, 8):
        row = found.row("pass", k)
        assert row is not None
        assert row.accuracy.value == pytest.approx(pass_at(8, right, k))


def test_a_model_that_is_not_there_is_given_up_soon() -> None:
    known = golds("addition", 60)
    broken = Broken(known)
    settings = Settings(suite="addition", samples=(1,), problems=4)
    with pytest.raises(RuntimeError, match=r"not one question .* http://nowhere"):
        asyncio.run(measure(suite("addition", 60), settings, Policies(broken, broken), None))
    assert len(broken.asked) < 60


def test_unknown_prices_stay_unknown() -> None:
    row = run("addition", 2, price=None).row("pass", 8)
    assert row is not None
    assert row.dollars is None


def test_the_suites() -> None:
    for name in suites():
        items = suite(name, 6, seed=5)
        assert [i.question for i in items] == [i.question for i in suite(name, 6, seed=5)]
        assert [i.question for i in items] != [i.question for i in suite(name, 6, seed=6)]
        for item in items:
            assert item.right(OUTSIDE) is item.outside
            if item.facts is not None:
                assert item.right(DRAWN[item.task].answer(item.facts))
    assert all(len(item.facts.numbers) == 4 for item in suite("countdown4", 20))
    a, b = suite("multiplication3x2", 1)[0].facts
    assert (len(str(a)), len(str(b))) == (3, 2)
    assert suite("multiplication3x2", 1)[0].right(str(a * b))
    assert {item.language for item in suite("grid", 2)} == {"en", "zh"}
    assert (len(suite("free", 999)), len(suite("outside", 999))) == (100, 100)
    with pytest.raises(ValueError, match="countdown4, multiplication3x2, all, free, outside"):
        suite("nonsense", 1)


def test_written_golds_are_right_and_others_are_not() -> None:
    folder = Path(system2.__file__).parent / "tasks" / "sets" / "free.jsonl"
    rows = [json.loads(line) for line in folder.read_text("utf-8").splitlines()]
    for row in rows:
        assert same(row["task"], row["answer"], row["answer"]), row
        assert same(row["task"], row["answer"], f" {row['answer'].lower()} ") or row["task"] in (
            "countdown", "game24",
        ), row  # fmt: skip
        others = [other["answer"] for other in rows if other["answer"] != row["answer"]]
        assert not any(same(row["task"], row["answer"], other) for other in others), row
    assert same("countdown", "4*13-6", "13*4-6")
    assert not same("countdown", "4*13-6", "46")
    assert same("addition", "12113", "12,113")
    assert not same("sorting", "1, 13", "113")
    assert same("compare", "3.2", "3.20")


def options(**given: object) -> argparse.Namespace:
    base: dict[str, object] = {
        "task": "addition", "samples": "1,2", "limit": 2, "temperature": 0.8, "effort": "high",
        "seed": 0, "json": False, "plot": None, "model": None, "model_name": None,
        "key_file": None, "price": None, "at_once": None, "tokens": None, "dollars": None,
        "seconds": None,
    }  # fmt: skip
    return argparse.Namespace(**base | given)


@pytest.mark.parametrize("text", ["", "0", "a", "1,,2", "1;2", "-4", "2048", "1.5"])
def test_bad_samples_are_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="expected numbers from 1 to 1024"):
        counts(text)
    assert counts("64, 4,1,4") == (1, 4, 64)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"task": "chess"}, "there is no task 'chess'; choose one of addition"),
        ({"limit": 0}, "at least 1 problem"),
        ({"effort": "max"}, "low or high"),
        ({"temperature": -1.0}, "at least 0"),
        ({"plot": "x.gif"}, "ending in .png"),
        ({"plot": "/no/such/folder/x.png"}, "no folder /no/such/folder"),
        ({"model": "http://localhost:1/v1"}, "needs --model-name"),
        ({"at_once": 0}, "at least 1"),
        ({"tokens": 0}, "tokens must be at least 1"),
        ({"dollars": "much"}, "--dollars"),
    ],
)
def test_bad_options_are_refused_before_anything_is_spent(
    given: dict[str, object], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        evaluate(options(**given))


def test_what_is_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found = run("countdown4", 4)
    show(found)
    shown = capsys.readouterr()
    assert "sees gold" in shown.out
    assert "control" in shown.out
    assert shown.err == ""
    told = json.loads(to_json(found))
    assert told["problems"] == 4
    assert told["rows"][0]["accuracy"].keys() == {"value", "low", "high", "error"}
    pytest.importorskip("matplotlib")
    ready(tmp_path / "a.svg")
    plot(found, tmp_path / "a.svg")
    assert "sees the answer" in (tmp_path / "a.svg").read_text("utf-8")


# ---------------------------------------------------------------- who may know a gold answer


SOURCE = Path(system2.__file__).parent
KNOWING = {"tasks", "evals", "training", "cli"}


def imports(path: Path) -> set[str]:
    """The packages of ours that a module imports, late ones included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, f"{path}: relative import"
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("system2.")}
    return found


def test_nobody_below_the_evaluation_imports_a_task() -> None:
    modules = [p for p in SOURCE.rglob("*.py") if p.relative_to(SOURCE).parts[0] not in KNOWING]
    assert {"solve.py", "effort.py"} <= {p.name for p in modules}
    assert {"engine", "policies", "verifiers", "search"} <= {p.parent.name for p in modules}
    for path in modules:
        assert not imports(path) & {"tasks", "evals", "training"}, path


def test_nobody_who_answers_builds_the_exact_verifier() -> None:
    allowed = {SOURCE / "verifiers" / "exact.py", SOURCE / "verifiers" / "__init__.py"}
    for path in set(SOURCE.rglob("*.py")) - allowed:
        if path.relative_to(SOURCE).parts[0] in ("tasks", "training"):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", None)
            known = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            assert not {name, *known} & {"exact", "Exact"}, path
    tree = ast.parse((SOURCE / "solve.py").read_text("utf-8"))
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    used = [node for node in froms if (node.module or "").startswith("system2.verifiers")]
    assert {alias.name for node in used for alias in node.names} == {"Expressions"}


def test_evaluations_import_neither_training_nor_a_server() -> None:
    for path in (*(SOURCE / "evals").glob("*.py"), SOURCE / "cli" / "evaluate.py"):
        assert not imports(path) & {"training", "server"}, path
