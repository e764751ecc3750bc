"""What the engine itself costs: a policy that costs nothing, on CPU time, beside a bare asyncio task.

    python benchmarks/engine.py [--json FILE]

a call   best_of(n): n calls of one step each      a node   one call that writes chains of 50 steps
a step   beam(32, 32): every node a child of its own; deep: one line of n steps, a call each
pause    the longest the event loop stood still while 1,024 replies came at once
late     how long after its deadline a run with 64 hanging calls ended

Python's garbage collector is on, and set as the commands set it (`system2.cli.running.calm`).
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import time
from collections.abc import AsyncGenerator, Callable

from system2.cli.running import calm
from system2.core import (
    Bill,
    Budget,
    Delta,
    Expand,
    Meter,
    Node,
    Plan,
    Problem,
    Request,
    Strategy,
    Tree,
)
from system2.engine import Engine
from system2.search import beam, best_of

SUM = Problem.of("1+1")
SIZES = (1_000, 10_000, 100_000)
BARS = {"call": 150.0, "node": 50.0, "pause": 20.0, "late": 250.0}  # us, us, ms, ms


class Nothing:
    """Writes `length` steps at no cost; all different, so that every one is a node."""

    can = frozenset({"continue", "n"})

    def __init__(self, length: int = 1, gate: asyncio.Event | None = None) -> None:
        self.length, self.gate = length, gate
        self.written = 0

    def prompt_bound(self, request: Request) -> int:
        return 1

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Bill]:
        if self.gate:
            await self.gate.wait()
        for child in range(request.n):
            for at in range(1, self.length + 1):
                self.written += 1
                last = request.until == "answer" and at == self.length
                yield Delta(child, str(self.written), end="answer" if last else "step")


def first(tree: Tree) -> Node | None:
    """Choose without looking."""
    return tree.nodes[-1]


def long_line(n: int) -> Strategy:
    """One line of thought, a call a step."""

    def plan(tree: Tree) -> Plan:
        node = tree.root
        for _ in range(n):
            (done,) = yield [Expand(node)]
            (node,) = done.nodes

    return Strategy(plan, first)


def cpu(work: Callable[[], int]) -> float:
    """Microseconds of CPU for each of the things `work` did; the best of three."""
    best = float("inf")
    for _ in range(3):
        gc.collect()
        began = time.process_time()
        count = work()
        best = min(best, (time.process_time() - began) / count * 1e6)
    return best


def searched(strategy: Strategy, policy: Nothing, seed: int | None = None) -> int:
    """A whole run; how many nodes grew."""
    engine = Engine(SUM, strategy, policy, Meter(), seed=seed)
    asyncio.run(engine.run())
    return len(engine.tree.nodes) - 1


def bare(n: int) -> int:
    """`n` asyncio tasks that do nothing."""

    async def nothing() -> None:
        await asyncio.sleep(0)

    async def run() -> None:
        for start in range(0, n, 32):
            tasks = [asyncio.create_task(nothing()) for _ in range(min(32, n - start))]
            await asyncio.gather(*tasks)

    asyncio.run(run())
    return n


def pause(seed: int | None, length: int = 1) -> tuple[float, float]:
    """Milliseconds the loop stood still at most, by the wall and by CPU, best of five runs."""

    async def run() -> tuple[float, float]:
        gate = asyncio.Event()
        policy = Nothing(length, gate)
        engine = Engine(SUM, best_of(1024), policy, Meter(), seed=seed)
        task = asyncio.create_task(engine.run())
        walls, cpus = [0.0], [0.0]
        loop = asyncio.get_running_loop()
        opened = False
        while not task.done():
            wall, used = loop.time(), time.process_time()
            await asyncio.sleep(0)
            walls.append(loop.time() - wall)
            cpus.append(time.process_time() - used)
            if not opened and engine.line.running == 1024:
                opened = True
                gate.set()
        return max(walls) * 1e3, max(cpus) * 1e3

    runs: list[tuple[float, float]] = []
    for _ in range(5):
        gc.collect()
        calm()
        runs.append(asyncio.run(run()))
    return min(wall for wall, _ in runs), min(used for _, used in runs)


def late(seconds: float = 0.2) -> float:
    """Milliseconds between the deadline and the end."""

    async def run() -> float:
        meter = Meter(Budget(seconds=seconds))
        policy = Nothing(gate=asyncio.Event())
        return (await Engine(SUM, best_of(64), policy, meter).run()).seconds - seconds

    return asyncio.run(run()) * 1e3


def main() -> None:
    """Measure, print a table, say which bars were missed."""
    parser = argparse.ArgumentParser(description="what the engine itself costs")
    parser.add_argument("--json", help="also write the numbers here")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    options = parser.parse_args()
    rows: list[dict[str, float]] = []
    calm()
    print(
        f"{'nodes':>8} {'call':>7} {'seeded':>7} {'node':>7} {'beam':>7} {'bare task':>10} {'ratio':>6}"
    )
    for n in options.sizes:
        row = {
            "nodes": n,
            "bare": cpu(lambda n=n: bare(n)),
            "call": cpu(lambda n=n: searched(best_of(n, choose=first), Nothing())),
            "seeded": cpu(lambda n=n: searched(best_of(n, choose=first), Nothing(), 1)),
            "node": cpu(lambda n=n: searched(best_of(n // 50, choose=first), Nothing(50))),
            "beam": cpu(
                lambda n=n: searched(beam(32, 32, max(2, 1 + n // 1024), choose=first), Nothing())
            ),
        }
        row["ratio"] = row["call"] / row["bare"]
        rows.append(row)
        print(
            f"{n:8,} {row['call']:7.1f} {row['seeded']:7.1f} {row['node']:7.1f} {row['beam']:7.1f}"
            f" {row['bare']:10.1f} {row['ratio']:6.1f}"
        )
    print("microseconds of CPU a call, a call with a seed, a node of a chain, a node of a beam")
    deep = {n: cpu(lambda n=n: searched(long_line(n), Nothing())) for n in (100, 1_000, 3_000)}
    print(
        "a call at the end of a line of", ", ".join(f"{n:,}: {us:.0f} us" for n, us in deep.items())
    )
    pauses = {
        name: pause(seed, length)
        for name, seed, length in (
            ("as they arrive", None, 1),
            ("seeded", 1, 1),
            ("chains of 20", None, 20),
        )
    }
    for name, (wall, used) in pauses.items():
        print(
            f"longest pause, 1,024 replies at once, {name}: {wall:.1f} ms by the wall, {used:.1f} ms CPU"
        )
    over = late()
    print(f"64 hanging calls end {over:.0f} ms after the deadline")
    missed = [
        *(f"a call at {r['nodes']:,}" for r in rows if r["call"] > BARS["call"]),
        *(f"a node at {r['nodes']:,}" for r in rows if max(r["node"], r["beam"]) > BARS["node"]),
        *(f"pause, {name}" for name, (_, used) in pauses.items() if used > BARS["pause"]),
        *(["late"] if over > BARS["late"] else []),
        *(["not flat"] if rows[-1]["call"] > 1.5 * rows[0]["call"] else []),
    ]
    print("missed:", "; ".join(missed) or "nothing")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:  # noqa: PTH123
            json.dump({"rows": rows, "deep": deep, "pauses": pauses, "late": over}, file, indent=1)


if __name__ == "__main__":
    main()
