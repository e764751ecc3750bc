"""Chooses the embedded model's vocabulary: the pieces that questions and traces use most. Writes tokenizer.json."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from random import Random

from system2.policies.local.tokenizer import PIECES, SPECIALS, normal, to_json
from system2.tasks import TASKS, outside
from system2.tasks.letters import Facts, letters

SIZE = 2560  # a multiple of 64, for the matrix kernels


def write(path: Path, seed: int) -> None:
    """Sample questions and traces with `seed`, keep the most frequent pieces, write tokenizer.json."""
    rng = Random(seed)
    count: Counter[str] = Counter()
    pieces = re.compile(PIECES, re.DOTALL)
    for language in ("en", "zh"):
        for task in TASKS.values():
            for _ in range(1500):
                # a word that is one token cannot be seen letter by letter
                problem = Facts("0", "0") if task is letters else task.draw(rng)
                count.update(pieces.findall(normal(task.ask(problem, language, rng))))
                trace = re.sub(r"</?[a-z]+>", "\n", task.think(problem, "high", rng))
                count.update(pieces.findall(normal(trace)))
        for _ in range(20000):
            count.update(pieces.findall(normal(outside.question(language, rng))))
    room = SIZE - len(SPECIALS) - 256
    several = [
        p for p, _ in sorted(count.items(), key=lambda i: (-i[1], i[0])) if len(p.encode()) > 1
    ]
    path.write_text(to_json(several[:room]), "utf-8")
