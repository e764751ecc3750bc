"""What a run of training showed: losses and tests, on a terminal, in a file and as a picture. No tensors."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


@dataclass(slots=True)
class Curve:
    """Points: update, seconds, tokens, loss. Tests: update, tokens, and by task the share of right traces."""

    points: list[dict[str, float]] = field(default_factory=list[dict[str, float]])
    tests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def write(self, folder: Path) -> None:
        """curve.json and curve.png: what a person looks at to see whether a run goes well."""
        (folder / "curve.json").write_text(json.dumps(asdict(self)), "utf-8")
        figure: Any = Figure(figsize=(9.6, 4.2), dpi=140, layout="constrained")
        loss, right = figure.subplots(1, 2)
        tokens = [point["tokens"] / 1e6 for point in self.points]
        loss.plot(tokens, [point["loss"] for point in self.points], color="#0072b2", linewidth=1)
        loss.set_yscale("log")
        loss.set_ylabel("loss, nats a token")
        names = sorted({name for test in self.tests for name in test["right"]})
        for n, name in enumerate(names):
            shown = [test for test in self.tests if name in test["right"]]
            right.plot(
                [test["tokens"] / 1e6 for test in shown],
                [100 * test["right"][name] for test in shown],
                color=f"C{n % 10}", linestyle="-" if n < 10 else "--", linewidth=1.2, label=name,
            )  # fmt: skip
        right.set_ylim(-2, 102)
        right.set_ylabel("held-out traces with every token right, %")
        for axes in (loss, right):
            axes.set_xlabel("million tokens seen")
            axes.grid(color="#e4e4e4", linewidth=0.8)
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
        if names:
            figure.legend(loc="outside right center", frameon=False, fontsize=8)
        figure.savefig(folder / "curve.png")


class Screen:
    """A bar on a terminal, a line now and then elsewhere. `total` 0: not known yet."""

    def __init__(self, shown: bool, every: int = 50) -> None:
        console = Console(stderr=True, quiet=not shown)
        self.every, self.console = every, console
        self.bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not (shown and console.is_terminal),
            speed_estimate_period=120,
        )
        self.task = self.bar.add_task("", total=None, told="compiling, about two minutes")
        self.bar.start()

    def show(self, update: int, total: int, loss: float, pace: float) -> None:
        """An update is done. Pace: tokens a second of late."""
        told = f"loss {loss:.4f}, {pace:,.0f} tokens/s"
        self.bar.update(self.task, completed=update, total=total or None, told=told)
        if not self.console.is_terminal and update % self.every == 0:
            self.console.print(f"update {update} of {total or '?'}: {told}")

    def tell(self, update: int, right: dict[str, float]) -> None:
        """The shares of a test, above the bar."""
        shares = ", ".join(f"{name} {share:.0%}" for name, share in right.items())
        self.console.print(f"held-out traces right after {update} updates: {shares}")

    def close(self) -> None:
        """Leave the bar where it stands."""
        self.bar.stop()
