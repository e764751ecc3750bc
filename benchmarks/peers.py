"""Peers beside ours on the same work: what a node of the tree costs, and what is reported of what was spent.

    python benchmarks/peers.py [--nodes 300] [--questions 6] [--seed 1] [--json FILE]

`make bench-search` installs treequest and its_hub in .venv-peers, an environment of their own; without it
this ends in a sentence. treequest: CPU time a node of its `step`, beside our tree search through the
engine. its_hub: its Beta rule and ours, 40 samples at most, against server.py.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import subprocess
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

from replies import Manners
from server import Server

PEERS = Path(__file__).parents[1] / ".venv-peers" / "bin" / "python"
SAMPLES = 40
CHEAPER = 1.0  # of the peer's cost a node: ours is not to be more
QUESTION = 'How many days has a week? End with a line "Answer: ...".'


def main() -> None:
    """Run both sides and print the tables."""
    parser = argparse.ArgumentParser(description="peers beside ours")
    parser.add_argument("--nodes", type=int, default=300)
    parser.add_argument("--questions", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", help="also write the numbers here")
    parser.add_argument("--inside", choices=[*INSIDE], help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        print(json.dumps(INSIDE[given.inside](given)))
        return
    if not PEERS.exists():
        print("The peers are not installed; make bench-search does it.")
        return
    numbers = {"nodes": nodes(given), "reported": reported(given)}
    if given.json:
        Path(given.json).write_text(json.dumps(numbers))


def inside(name: str, given: argparse.Namespace, url: str = "") -> Any:
    """Have a peer measured in its own environment."""
    words = [str(PEERS), __file__, "--inside", name, "--nodes", str(given.nodes), "--url", url]
    done = subprocess.run([*words, "--seed", str(given.seed)], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


# -------------------------------------------------------------------- the cost of a node


def nodes(given: argparse.Namespace) -> dict[str, float]:
    """Milliseconds of CPU time a node."""
    found = {"ours": ours(given)} | inside("treequest", given)
    print(f"| {given.nodes} nodes | CPU ms a node | ours ÷ this (bar ≤ {CHEAPER}) | |")
    print("|---|---|---|---|")
    for name, cost in found.items():
        ratio = found["ours"] / cost
        mark = "" if name == "ours" else "met" if ratio <= CHEAPER else "MISSED"
        print(f"| {name} | {cost:.3f} | {ratio:.3f} | {mark} |")
    return found


def ours(given: argparse.Namespace) -> float:
    """Our tree search, engine, meter and events included."""
    from system2.core import Bill, Delta, Meter, Problem, Request, Usage
    from system2.engine import Engine
    from system2.search import mcts

    dice = random.Random(given.seed)

    class Instant:
        can = frozenset({"continue"})

        def prompt_bound(self, request: Request) -> int:
            return 1

        async def stream(self, request: Request) -> AsyncGenerator[Delta | Bill]:
            yield Delta(0, str(dice.random()), end="step")
            yield Bill(Usage(prompt=1, reasoning=1, calls=1))

    class Luck:
        async def score(self, problem: Any, chains: Any, write: Any) -> list[float | None]:
            return [dice.random() for _ in chains]

    search = mcts(2, 1, simulations=given.nodes, until="step")
    engine = Engine(Problem.of("?"), search, Instant(), Meter(), verifier=Luck(), seed=given.seed)
    began = time.process_time()
    asyncio.run(engine.run())
    return 1000 * (time.process_time() - began) / (len(engine.tree.nodes) - 1)


def treequest(given: argparse.Namespace) -> dict[str, float]:
    """Both of its searches, one step at a time as its own examples do. Runs in the peers' environment."""
    import treequest as peer  # pyright: ignore

    dice = random.Random(given.seed)

    def write(parent: object) -> tuple[float, float]:
        return dice.random(), dice.random()

    found: dict[str, float] = {}
    for name in ("StandardMCTS", "ABMCTSA"):
        search = getattr(peer, name)()
        state = search.init_tree()
        began = time.process_time()
        for _ in range(given.nodes):
            state = search.step(state, {"write": write})
        found[f"treequest {name}"] = 1000 * (time.process_time() - began) / given.nodes
    return found


# -------------------------------------------------------------------- reported ÷ true


def reported(given: argparse.Namespace) -> dict[str, list[int]]:
    """Completion tokens as reported, and as the server counted them."""
    totals = {"ours": [0, 0, 0], "its_hub": [0, 0, 0]}
    with Server() as server:
        for seed in range(given.seed, given.seed + given.questions):
            for name, ask in (("ours", vote), ("its_hub", beta)):
                server.behave(Manners(seed=seed, rate=20, per_chunk=4))
                told, unseen = ask(server.url, given)
                true = sum(record.sent for record in server.counts())
                row = totals[name]
                totals[name] = [row[0] + told, row[1] + true, row[2] + unseen]
    print(f"\n| Beta .95, at most {SAMPLES} samples | reported | true | ÷ (bar 1.000) | |")
    print("|---|---|---|---|---|")
    for name, (told, true, _) in totals.items():
        mark = "" if name != "ours" else "met" if told == true else "MISSED"
        print(f"| {name} | {told} | {true} | {told / true:.3f} | {mark} |")
    return totals


def vote(url: str, given: argparse.Namespace) -> tuple[int, int]:
    """Ours: tokens reported, and those that may be in flight."""
    from system2 import think
    from system2.search import best_of, consensus, majority

    rule = best_of(SAMPLES, choose=majority, need=consensus(0.95))
    found = think(
        QUESTION, model=url, model_name="pretend", strategy=rule, verifier=None, trace=False,
        tokens=10**6, seed=given.seed,
    )  # fmt: skip
    return found.usage.completion, found.usage.unseen


def beta(url: str, given: argparse.Namespace) -> tuple[int, int]:
    """Theirs."""
    return inside("its_hub", given, url)["completion"], 0


def its_hub(given: argparse.Namespace) -> dict[str, int]:
    """Its Beta rule. Runs in the peers' environment."""
    from its_hub import BetaSelfConsistency  # pyright: ignore
    from its_hub.core.lms.openai_lm import OpenAICompatibleLanguageModel  # pyright: ignore
    from its_hub.core.orchestrator import LMOrchestrator  # pyright: ignore

    def answer(text: str) -> str:
        return (re.findall(r"Answer: (\S+)", text) or [""])[-1]

    async def go() -> dict[str, int]:
        model = OpenAICompatibleLanguageModel(given.url, "none", "pretend")
        search = BetaSelfConsistency(
            0.95, answer, orchestrator=LMOrchestrator(max_concurrency=SAMPLES)
        )
        found = await search.ainfer(model, QUESTION, SAMPLES, return_response_only=False)
        await model.close()
        usage = found.usage
        return {"completion": usage.completion_tokens, "prompt": usage.prompt_tokens}

    return asyncio.run(go())


INSIDE: dict[str, Callable[[argparse.Namespace], Any]] = {
    "treequest": treequest,
    "its_hub": its_hub,
}


if __name__ == "__main__":
    main()
