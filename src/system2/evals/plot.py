"""Draws a report: accuracy against samples, what it costs above. Runs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from system2.evals.report import Report, Row

FORMATS = (".png", ".svg", ".pdf")
CURVES = {
    "pass": ("any of k right (sees the answer)", "#0072b2", "o"),
    "weighted": ("vote, weighted by log-probability", "#d55e00", "s"),
    "majority": ("majority vote", "#e69f00", "^"),
    "random": ("random moves, any of k right (control)", "#8a8a8a", "."),
}
LINES = {"chain": ("one chain, greedy", "#009e73", "--"), "direct": ("no thinking", "#56606b", ":")}


def ready(file: Path) -> None:
    """Can this file be drawn? Raises ValueError in a sentence, before anything is spent."""
    if file.suffix.lower() not in FORMATS:
        raise ValueError(f"--plot {file}: expected a file ending in {', '.join(FORMATS)}")
    if not file.absolute().parent.is_dir():
        raise ValueError(f"--plot {file}: there is no folder {file.parent}")
    _figure()


def plot(report: Report, file: Path) -> None:
    """Write the figure; the format is that of the suffix. Raises ValueError without matplotlib."""
    figure = _figure()(figsize=(7.2, 4.8), dpi=160, layout="constrained")
    axes = figure.subplots()
    for method, (label, colour, mark) in CURVES.items():
        if points := [row for row in report.rows if row.method == method]:
            _curve(axes, points, label, colour, mark)
    for method, (label, colour, dashes) in LINES.items():
        if line := report.row(method):
            text = f"{label} ({line.tokens:,.0f} tokens)"
            low, high = 100 * line.accuracy.low, 100 * line.accuracy.high
            axes.axhspan(low, high, color=colour, alpha=0.08, linewidth=0)
            axes.axhline(100 * line.accuracy.value, color=colour, linestyle=dashes, label=text)
    _scales(axes, report)
    settings = report.settings
    figure.suptitle(
        f"{settings.suite}: {report.problems} held-out problems, temperature "
        f"{settings.temperature:g}, 95 % intervals",
        fontsize=10,
    )
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    figure.savefig(file)


def _curve(axes: Any, points: list[Row], label: str, colour: str, mark: str) -> None:
    counts = [row.samples for row in points]
    shares = [row.accuracy for row in points]
    low, high = [100 * s.low for s in shares], [100 * s.high for s in shares]
    axes.fill_between(counts, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.plot(counts, [100 * s.value for s in shares], mark, color=colour, linestyle="-",
              linewidth=1.6, markersize=4.5, label=label)  # fmt: skip


def _scales(axes: Any, report: Report) -> None:
    counts = report.settings.samples
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    axes.set_xlim(counts[0] / 1.15, counts[-1] * 1.15)
    axes.set_ylim(-2, 102)
    axes.set_xlabel("samples a problem")
    axes.set_ylabel("problems solved, %")
    axes.grid(color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    tokens = [row.tokens for row in report.rows if row.method == "majority"]
    above = axes.twiny()
    above.set_xscale("log", base=2)
    above.set_xlim(axes.get_xlim())
    above.set_xticks(counts, [short(count) for count in tokens])
    above.minorticks_off()
    above.tick_params(length=0, labelsize=8, colors="#56606b")
    above.set_xlabel("completion tokens a problem", fontsize=8, color="#56606b")
    above.spines[["top", "right"]].set_visible(False)


def short(count: float) -> str:
    """A count as people say it: 920, 14.7k, 1.2M."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return f"{count:.0f}"


def _figure() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ValueError(
            f"--plot needs matplotlib ({error}); install it with `pip install 'system2[eval]'`"
        ) from error
    return Figure
