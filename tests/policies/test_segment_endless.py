"""A model that writes the same for ever: what is held back stays small, and the work grows as the text does."""

from __future__ import annotations

import time
from typing import cast

import pytest

from system2.policies.segment import By, Segmenter, answered

RUNS = [" ", "\n", "\t \n", ".", '."', "。", "</step>", " </step>\n", "<step> "]
WAYS = ["paragraph", "sentence", "marker"]


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("by", WAYS)
@pytest.mark.parametrize("before", ["", "So it is"])
def test_little_is_held_back(by: str, run: str, before: str) -> None:
    segmenter = Segmenter(cast(By, by))
    spans = segmenter.feed(before)
    for _ in range(1_500):
        spans += segmenter.feed(run)
        assert len(segmenter._held) + len(segmenter._raw) < 3_000  # pyright: ignore[reportPrivateUsage]
    spans += [*segmenter.feed("Then"), *segmenter.close()]
    assert "".join(span.text for span in spans).endswith("Then")


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("by", WAYS)
def test_steps_are_the_same_however_a_run_came(by: str, run: str) -> None:
    text = f"One.{run * 1_500}Two. {run * 3}Three{run * 1_200}"
    found: set[tuple[tuple[str, bool], ...]] = set()
    for size in (1, 7, 999, 1_001, len(text)):
        segmenter, steps, step = Segmenter(cast(By, by)), list[tuple[str, bool]](), ""
        spans = [
            s for at in range(0, len(text), size) for s in segmenter.feed(text[at : at + size])
        ]
        for span in [*spans, *segmenter.close()]:
            step += span.text
            if span.end:
                steps.append((step, True))
                step = ""
        found.add((*steps, (step, False)))
    assert len(found) == 1


def work(by: str, text: str) -> float:
    """Seconds of the processor, the least of two."""
    took: list[float] = []
    for _ in range(2):
        began, segmenter = time.process_time(), Segmenter(cast(By, by))
        segmenter.feed(text)
        segmenter.close()
        took.append(time.process_time() - began)
    return min(took)


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("by", WAYS)
def test_the_work_of_one_piece_grows_as_it_does(by: str, run: str) -> None:
    few, many = (work(by, "x" + run * size) for size in (1_000, 32_000))
    assert many < 200 * max(few, 1e-4)  # 32 times as much; were it squared, a thousand times


def test_a_long_fence_is_looked_at_once() -> None:
    few, many = (f"Answer: {'`' * size}\n{'x' * size}\n" for size in (1_000, 32_000))
    began = time.process_time()
    answered(few)
    middle = time.process_time()
    answered(many)
    assert time.process_time() - middle < 300 * max(middle - began, 1e-4)
