"""Supervised training of the embedded model from nothing: one seeded, resumable run on all cores.

One process a core, one thread each, gradients averaged over gloo: on two cores that beats one
process with two threads. Knows nothing about search.
"""

# pyright: basic
from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

import torch
import torch.distributed as dist
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.multiprocessing.spawn import spawn

from system2.policies.local.tokenizer import Tokenizer
from system2.tasks import TASKS
from system2.tasks.task import Task
from system2.training import batch, vocabulary
from system2.training.curve import Curve, Screen
from system2.training.export import export
from system2.training.model import Config, Llama


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the result, but for the machine's rounding."""

    seed: int = 1
    updates: int = 0  # 0: as many as fit into `minutes`
    minutes: float = 100.0
    # Rows a process and update, short and long (attention over short ones is cheaper); the longest
    # lessons, products of four digits by four, need 550 tokens.
    short_rows: int = 13
    short_length: int = 256
    long_rows: int = 5
    long_length: int = 576
    muon: float = 0.02
    adamw: float = 4e-3
    warmup: int = 30
    flat: float = 0.41  # share of the updates after which the rates fall linearly to nothing
    again: float = (
        0.092  # share, at the end, in which they fall once more from `lift` of their height
    )
    lift: float = 0.3
    processes: int = 2
    save_every: int = 50
    test_every: int = 200


def train(out: Path, recipe: Recipe) -> None:
    """Train into `out`: checkpoint while it runs, then config.json, model.safetensors, tokenizer.json.

    Called again after a kill it goes on from the last checkpoint. Raises ValueError if `out` holds
    a run of another recipe.
    """
    out.mkdir(parents=True, exist_ok=True)
    settings = out / "recipe.json"
    if settings.exists() and json.loads(settings.read_text()) != asdict(recipe):
        raise ValueError(
            f"{out} holds a run of another recipe ({settings.read_text()}); "
            "give the same options to continue it, or another --out"
        )
    settings.write_text(json.dumps(asdict(recipe)))
    if not (out / "tokenizer.json").exists():
        vocabulary.write(out / "tokenizer.json", recipe.seed)
    os.environ |= {"OMP_NUM_THREADS": "1", "TORCHINDUCTOR_COMPILE_THREADS": "1"}
    # Large blocks are kept, not returned to the system each update: no page faults.
    os.environ |= {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2 << 30)}
    for old in out.glob(".meet-*"):  # of a run that was killed: nobody answers there
        old.unlink()
    meet = out.absolute() / f".meet-{secrets.token_hex(4)}"
    spawn(work, (out, recipe, meet), nprocs=recipe.processes)


def work(rank: int, out: Path, recipe: Recipe, meet: Path) -> None:
    """One process of the run."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{meet}", None, recipe.processes, rank)
    tokenizer = Tokenizer.load(out / "tokenizer.json")
    torch.manual_seed(recipe.seed)
    model = Llama(Config(vocab_size=tokenizer.size))
    run = Run(rank, recipe, tokenizer, model, out)
    run.resume()
    try:
        run.go()
    finally:
        run.screen.close()
    if rank == 0:
        export(model, tokenizer, out)
    dist.barrier()
    dist.destroy_process_group()


class Run:
    """The state of a training run in one process."""

    def __init__(
        self, rank: int, recipe: Recipe, tokenizer: Tokenizer, model: Llama, out: Path
    ) -> None:
        self.rank, self.recipe, self.tokenizer, self.model = rank, recipe, tokenizer, model
        self.shapes = (
            batch.Shape(recipe.short_rows, recipe.short_length),
            batch.Shape(recipe.long_rows, recipe.long_length),
        )
        self.out, self.saved = out, out / "checkpoint.pt"
        self.screen = Screen(shown=rank == 0)
        self.late: list[float] = []  # when the last updates were done
        matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
        rest = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
        self.optimisers: list[torch.optim.Optimizer] = [
            torch.optim.Muon(matrices, lr=recipe.muon, weight_decay=0.01, adjust_lr_fn="original"),
            torch.optim.AdamW(rest, lr=recipe.adamw, betas=(0.9, 0.98), weight_decay=0.0),
        ]
        self.rates = [recipe.muon, recipe.adamw]
        self.update, self.total, self.seconds, self.tokens = 0, recipe.updates, 0.0, 0
        self.curve = Curve()
        # Compiling needs a C++ compiler; without one the same code runs about a quarter slower.
        self.hidden: Callable[[Tensor, Tensor], Tensor] = (
            torch.compile(model, dynamic=False)
            if shutil.which("g++") or shutil.which("clang++")
            else model
        )

    def go(self) -> None:
        """Update until the planned number is reached."""
        started, first = time.monotonic() - self.seconds, 0.0
        while not self.total or self.update < self.total:
            loss = self.learn()
            self.update += 1
            self.seconds = time.monotonic() - started
            if not self.total and self.update == 5:  # the first ones compile
                first = self.seconds
            if not self.total and self.update == 25:
                pace = (self.seconds - first) / 20
                left = torch.tensor(self.recipe.minutes * 60 - self.seconds) / pace
                dist.broadcast(left, 0)
                self.total = self.update + max(1, int(left))
            if self.rank == 0:
                self.report(loss)
            if self.rank == 0 and self.update % self.recipe.save_every == 0:
                self.save()
        if self.rank == 0:
            self.save()

    def learn(self) -> float:
        """One update: every process its own lessons, gradients averaged. Returns the loss."""
        progress = self.update / self.total if self.total else 0.0
        rng = Random(f"{self.recipe.seed} {self.rank} {self.update}")
        parts = [data for data, _ in batch.draw(self.tokenizer, rng, self.shapes, progress)]
        learnt = sum(int(data.learnt.sum()) for data in parts)
        total = 0.0
        for data in parts:
            loss = self.loss(data) / learnt
            loss.backward()
            total += float(loss.detach())
            self.tokens += data.ids.numel() * self.recipe.processes
        self.average()
        for optimiser, rate in zip(self.optimisers, self.rates, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = rate * self.schedule()
            optimiser.step()
            optimiser.zero_grad()
        return total

    def loss(self, data: batch.Batch) -> Tensor:
        """Summed cross-entropy of the learnt tokens, in bfloat16 where that is safe."""
        with torch.autocast("cpu", torch.bfloat16):
            at, hidden = self.learnt(data)
            logits = F.linear(hidden, self.model.embed_tokens.weight)
        wanted = (
            data.ids[:, 1:].reshape(-1)[at].masked_fill(~data.learnt[:, 1:].reshape(-1)[at], -100)
        )
        return F.cross_entropy(logits.float(), wanted, reduction="sum")

    def learnt(self, data: batch.Batch) -> tuple[Tensor, Tensor]:
        """Places of the learnt tokens (N) and the hidden states (N, D) that predict them.

        N is rounded up with the first place again and again: memory of few sizes is used again,
        that of many sizes grew to 9 GB.
        """
        at = data.learnt[:, 1:].reshape(-1).nonzero()[:, 0]
        at = F.pad(at, (0, -len(at) % 1024))
        hidden = self.hidden(data.ids, data.segments)[:, :-1]
        return at, hidden.reshape(-1, hidden.shape[-1])[at]

    def average(self) -> None:
        """Mean of the gradients over the processes."""
        grads = [p.grad for p in self.model.parameters() if p.grad is not None]
        flat = torch.cat([g.reshape(-1) for g in grads])
        dist.all_reduce(flat)
        flat /= self.recipe.processes
        at = 0
        for g in grads:
            g.copy_(flat[at : at + g.numel()].view_as(g))
            at += g.numel()

    def schedule(self) -> float:
        """Warm up, stay, fall linearly (warm-up–stable–decay); and fall again from a lower height."""
        recipe, warm = self.recipe, min(1.0, (self.update + 1) / self.recipe.warmup)
        if not self.total:
            return warm
        left = 1 - self.update / self.total
        if left <= recipe.again:
            return recipe.lift * left / recipe.again
        return min(warm, (left - recipe.again) / (1 - recipe.flat - recipe.again), 1.0)

    def report(self, loss: float) -> None:
        """Keep the curve and show how far it is."""
        if self.update % 10 == 0:
            self.curve.points.append(
                {"update": self.update, "seconds": round(self.seconds, 1),
                 "tokens": self.tokens, "loss": round(loss, 4)}
            )  # fmt: skip
        if self.update % self.recipe.test_every == 0 or self.update == self.total:
            right = self.test()
            self.curve.tests.append({"update": self.update, "tokens": self.tokens, "right": right})
            self.screen.tell(self.update, right)
            self.curve.write(self.out)
        tokens = self.tokens / max(1, self.update)
        late, self.late = self.late, [*self.late[-19:], self.seconds]
        pace = tokens * len(late) / (self.seconds - late[0]) if late else 0.0
        self.screen.show(self.update, self.total, loss, pace)

    @torch.no_grad()
    def test(self, batches: int = 12) -> dict[str, float]:
        """Share of held-out problems by task whose every learnt token is the model's first choice.

        Facts and refusals have none held out.
        """
        right: dict[str, list[bool]] = {}
        for n in range(batches):
            rng = Random(f"held out {n}")
            drawn = batch.draw(self.tokenizer, rng, self.shapes, 0.5, Task.draw_held_out)
            for data, packed in drawn:
                with torch.autocast("cpu", torch.bfloat16):
                    at, hidden = self.learnt(data)
                    best = F.linear(hidden, self.model.embed_tokens.weight).argmax(-1)
                hit = ~data.learnt[:, 1:].reshape(-1)
                hit[at] |= best == data.ids[:, 1:].reshape(-1)[at]
                hit = hit.view(data.ids[:, 1:].shape)
                for row, lessons in enumerate(packed):
                    for number, one in enumerate(lessons, 1):
                        own = data.segments[row, 1:] == number
                        if one.task in TASKS:
                            right.setdefault(one.task, []).append(bool(hit[row][own].all()))
        return {task: round(sum(r) / len(r), 3) for task, r in sorted(right.items())}

    def save(self) -> None:
        """Write the checkpoint whole or not at all."""
        state = {
            "model": self.model.state_dict(),
            "optimisers": [o.state_dict() for o in self.optimisers],
            "update": self.update, "total": self.total,
            "seconds": self.seconds, "tokens": self.tokens, "curve": asdict(self.curve),
        }  # fmt: skip
        torch.save(state, part := self.saved.with_suffix(".part"))
        part.rename(self.saved)

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one."""
        if not self.saved.exists():
            return
        state = torch.load(self.saved, weights_only=True)
        self.model.load_state_dict(state["model"])
        for optimiser, saved in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        self.update, self.total = state["update"], state["total"]
        self.seconds, self.tokens = state["seconds"], state["tokens"]
        self.curve = Curve(**state["curve"])
