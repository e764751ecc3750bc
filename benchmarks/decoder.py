"""The in-process decoder against transformers.generate: same weights, tokens per second of CPU time.

One process per engine, taking turns, so that a busy machine hits both alike. Run it with
`OMP_NUM_THREADS=1 nice -n 5 python benchmarks/decoder.py [--weights FOLDER] [--rounds 2]`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SIZES = (1, 16, 64)
NEW = 100
BARS = {1: 10.0, 16: 4.0, 64: 3.0}
Run = Callable[[int, int, int], tuple[int, float, float]]
"""(prompts, samples of each, seed) → tokens, CPU seconds, wall seconds."""


def prompts(count: int, seed: int, vocab: int) -> list[list[int]]:
    """Random prompts of 18–22 tokens."""
    rng = random.Random(seed)
    return [[rng.randrange(3, vocab) for _ in range(rng.randint(18, 22))] for _ in range(count)]


def ours(folder: str, workers: int) -> Run:
    from system2.policies.local.decoder import Decoder, Row
    from system2.policies.local.weights import load

    weights = load(folder)
    decoder = Decoder(weights, workers=workers)

    async def drain(rows: list[Row]) -> int:
        return sum([len(tokens) async for tokens in decoder.stream(rows)])

    def run(count: int, samples: int, seed: int) -> tuple[int, float, float]:
        texts = [p for p in prompts(count, seed, weights.sizes.vocab) for _ in range(samples)]
        rows = [Row(tuple(prompt), seed + i, NEW) for i, prompt in enumerate(texts)]
        cpu, wall = time.process_time(), time.perf_counter()
        tokens = asyncio.run(drain(rows))
        return tokens, time.process_time() - cpu, time.perf_counter() - wall

    return run


def theirs(folder: str, kind: str) -> Run:
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(1)
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, kind)).eval()
    model.generation_config.eos_token_id = None

    def run(count: int, samples: int, seed: int) -> tuple[int, float, float]:
        torch.manual_seed(seed)
        texts = [p for p in prompts(count, seed, model.config.vocab_size) for _ in range(samples)]
        longest = max(map(len, texts))
        ids = torch.tensor([[0] * (longest - len(p)) + p for p in texts])
        mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in texts])
        cpu, wall = time.process_time(), time.perf_counter()
        with torch.inference_mode():
            out = model.generate(
                ids,
                attention_mask=mask,
                max_new_tokens=NEW,
                do_sample=True,
                top_k=0,
                pad_token_id=0,
            )
        tokens = (out.shape[1] - longest) * len(texts)
        return tokens, time.process_time() - cpu, time.perf_counter() - wall

    return run


def serve(engine: str, folder: str) -> None:
    """Child process: one JSON request a line, one JSON answer a line."""
    run = ours(folder, int(engine[-1])) if engine.startswith("ours") else theirs(folder, engine)
    run(1, 1, 0)
    for line in sys.stdin:
        print(json.dumps(run(*json.loads(line))), flush=True)


class Child:
    """One engine in its own process."""

    def __init__(self, engine: str, folder: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--weights", folder, "--serve", engine],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def ask(self, count: int, samples: int, seed: int) -> tuple[float, float]:
        """Tokens per CPU second and wall seconds."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps([count, samples, seed]) + "\n")
        self.process.stdin.flush()
        tokens, cpu, wall = json.loads(self.process.stdout.readline())
        return tokens / cpu, wall

    def end(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def random_weights(folder: str) -> None:
    """A Llama of the shipped sizes with random weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=2560, hidden_size=192, intermediate_size=576, num_hidden_layers=6,
        num_attention_heads=3, num_key_value_heads=1, head_dim=64, max_position_embeddings=1024,
        rms_norm_eps=1e-5, tie_word_embeddings=True, initializer_range=0.1,
    )  # fmt: skip
    LlamaForCausalLM(config).half().save_pretrained(folder)


def compare(folder: str, rounds: int, samples: int) -> None:
    engines = {name: Child(name, folder) for name in ("ours1", "float32", "bfloat16")}
    best: dict[str, dict[int, list[float]]] = {name: {n: [] for n in SIZES} for name in engines}
    for turn in range(rounds):
        for n in SIZES:
            for name, child in engines.items():
                best[name][n].append(child.ask(n, 1, 7 * turn + n)[0])
    print("| tokens per CPU second | " + " | ".join(f"{n} rows" for n in SIZES) + " |")
    print("|---|" + "---|" * len(SIZES))
    for name, cells in best.items():
        row = (" / ".join(f"{x:.0f}" for x in cells[n]) for n in SIZES)
        print(f"| {name} | " + " | ".join(row) + " |")
    ratios: list[str] = []
    for n in SIZES:
        pairs = zip(*(best[name][n] for name in engines), strict=True)
        low = min(mine / max(other) for mine, *other in pairs)
        ratios.append(f"{low:.1f}x (bar {BARS[n]:.0f}x{'' if low >= BARS[n] else ', MISSED'})")
    print("| lowest ratio to the faster | " + " | ".join(ratios) + " |")
    for child in engines.values():
        child.end()
    for workers in (1, 2) if samples else ():
        child = Child(f"ours{workers}", folder)
        speed, wall = child.ask(1, samples, 1)
        print(f"{samples} samples of one prompt x {NEW}: {workers} threads, {wall:.1f} s wall, "
              f"{speed:.0f} tokens per CPU second")  # fmt: skip
        child.end()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--samples", type=int, default=1024, help="of one prompt; 0: leave out")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve, given.weights)
        return
    with tempfile.TemporaryDirectory() as folder:
        if given.weights is None:
            random_weights(folder)
        assert Path(given.weights or folder).is_dir()
        compare(given.weights or folder, given.rounds, given.samples)


if __name__ == "__main__":
    main()
