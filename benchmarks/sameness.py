"""Which threshold of sameness is right: pairs that say the same, and pairs that only look it.

    python benchmarks/sameness.py

60 pairs by which the marks and the threshold were chosen (sameness.jsonl), and 30 that were written
afterwards and changed nothing (sameness_held_out.jsonl); English and Chinese.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from random import Random

import numpy as np

from system2.verifiers.marks import read
from system2.verifiers.meaning import THRESHOLD, embedded, grouped

THRESHOLDS = (0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


def main() -> None:
    """Print a table for each file, every pair that is judged wrongly, and what comparing costs."""
    for name in ("sameness", "sameness_held_out"):
        lines = Path(__file__).with_name(f"{name}.jsonl").read_text("utf-8").splitlines()
        show(name, [json.loads(line) for line in lines])
    rng = Random(1)
    words = [
        "the",
        "number",
        "side",
        "factor",
        "train",
        "equation",
        "answer",
        "first",
        "total",
        "list",
        "sorted",
        "because",
        "so",
        "we",
    ]
    texts = [" ".join(rng.choices(words, k=12)) for _ in range(1000)]
    grouped(texts[:2])  # loaded
    began = time.process_time()
    grouped(texts)
    print(f"\n1,000 texts of 12 words, none twice: {time.process_time() - began:.2f} s of one core")


def show(name: str, pairs: list[dict[str, str]]) -> None:
    """How many of each kind are found the same, by cosine alone and with the marks."""
    left, right = ([read(pair[side]) for pair in pairs] for side in "ab")
    rows = [embedded([one.plain for one in side]) for side in (left, right)]
    cosines = np.einsum("ij,ij->i", *rows)
    agree = [
        a.wordy and b.wordy and a.marks == b.marks and not a.against(b)
        for a, b in zip(left, right, strict=True)
    ]
    same = [bool(pair["same"]) for pair in pairs]
    print(f"\n{name}: {sum(same)} same, {len(same) - sum(same)} different\n")
    print("| threshold | same, found | different, taken for the same | the same by cosine alone |")
    print("|---|---|---|---|")
    for threshold in THRESHOLDS:
        counts = [
            sum(
                c >= threshold and (ok or free) for c, ok, s in zip(cosines, agree, same) if s == of
            )
            for free in (False, True)
            for of in (True, False)
        ]
        print(f"| {threshold:.2f} | {counts[0]} | {counts[1]} | {counts[2]}, {counts[3]} |")
    print()
    for pair, cosine, ok in zip(pairs, cosines, agree, strict=True):
        found = cosine >= THRESHOLD and ok
        if found != pair["same"]:
            why = "" if ok else ", its marks differ or its words are too few"
            print(f"wrong: {pair['kind']}, {cosine:.2f}{why}: {pair['a']} | {pair['b']}")


if __name__ == "__main__":
    main()
