"""Given tokens, scored: against the textbook, in pieces, beside rows that are written, with little memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from policies.textbook import CONFIG, HEAD, KV_HEADS, LAYERS, VOCAB, reference, tensors, write

from system2.policies.local.decoder import Decoder, DecoderError, Row
from system2.policies.local.weights import Weights, load

BLOCK = 2 * LAYERS * KV_HEADS * 2 * HEAD * 32  # bytes of a KV block in fp16


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    return load(write(tmp_path_factory.mktemp("model"), CONFIG, tensors()))


@pytest.fixture
def start(weights: Weights) -> Iterator[Callable[..., Decoder]]:
    """Makes decoders and closes them."""
    made: list[Decoder] = []

    def make(**given: Any) -> Decoder:
        made.append(Decoder(weights, **given))
        return made[-1]

    yield make
    for decoder in made:
        decoder.close()


def some(count: int, seed: int = 0) -> list[int]:
    return np.random.default_rng(seed).integers(0, VOCAB, count).tolist()


def table(ids: list[int], *, pairs: bool) -> Any:
    """Log-probabilities (T, vocab) of whatever may stand after each token, by the textbook."""
    logits = reference(tensors(), ids, pairs=pairs)
    logits = logits - logits.max(1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(1, keepdims=True))


@pytest.mark.parametrize("engine", ["kernel", "plain"])
@pytest.mark.parametrize("length", [2, 33, 97, 128])
def test_every_token_has_the_likelihood_of_the_textbook(
    start: Callable[..., Decoder], engine: str, length: int
) -> None:
    gemm = pytest.importorskip("system2.policies.local.gemm")
    pairs = engine == "kernel" and gemm.PAIRS
    slack = 0.12 if pairs else 0.02
    ids = some(length, 5)
    found = asyncio.run(start(engine=engine).score(ids, top=3))
    assert [one.id for one in found] == ids
    assert found[0].logprob is None and found[0].top == ()
    for one, line in zip(found[1:], table(ids, pairs=pairs), strict=False):
        assert one.logprob is not None and abs(one.logprob - line[one.id]) < slack
        assert [p for _, p in one.top] == sorted((p for _, p in one.top), reverse=True)
        for id, logprob in one.top:
            assert abs(logprob - line[id]) < slack
        assert line[one.top[0][0]] > line.max() - slack


def test_what_was_written_has_the_likelihood_that_was_told(start: Callable[..., Decoder]) -> None:
    decoder, prompt = start(), some(40, 6)

    async def both() -> tuple[list[Any], list[Any]]:
        written = [
            t async for tokens in decoder.stream([Row(tuple(prompt), 7, 30)]) for t in tokens
        ]
        ids = [*prompt, *(token.id for token in written)]
        return written, await decoder.score(ids, first=len(prompt), top=1)

    written, scored = asyncio.run(both())
    assert [one.id for one in scored] == [token.id for token in written]
    for token, one in zip(written, scored, strict=True):
        assert one.logprob == pytest.approx(token.logprob, abs=1e-4)
    before = decoder.stats()
    assert before.used == 0  # all memory was given back


def test_pieces_prefixes_and_neighbours_change_nothing(start: Callable[..., Decoder]) -> None:
    texts = [some(length, length) for length in (1, 2, 31, 64, 100, 128)]
    alone = [asyncio.run(start().score(text, top=2)) for text in texts]
    crowd = start(memory=12 * BLOCK)

    async def together() -> list[Any]:
        rows = [Row(tuple(some(20, n)), n, 60) for n in range(20)]

        async def write_all() -> int:
            return sum([len(tokens) async for tokens in crowd.stream(rows)])

        *scored, count = await asyncio.gather(
            *(crowd.score(text, top=2) for text in texts),
            *(crowd.score(text, first=min(50, len(text) - 1), top=2) for text in texts),
            write_all(),
        )
        assert count == 20 * 60
        return scored

    found = asyncio.run(together())
    assert found[: len(texts)] == alone
    for text, rest, whole in zip(texts, found[len(texts) :], alone, strict=True):
        assert rest == whole[min(50, len(text) - 1) :]
    assert crowd.stats().used == 0


def test_who_leaves_frees_the_memory_and_a_failure_reaches_who_waits(
    start: Callable[..., Decoder], weights: Weights, tmp_path: Path
) -> None:
    decoder = start()

    async def left() -> None:
        task = asyncio.create_task(decoder.score(some(128)))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert len(await decoder.score(some(100, 1))) == 100

    asyncio.run(left())
    assert decoder.stats().used == 0
    for wrong in ([], [VOCAB], [-1], some(129)):
        with pytest.raises(ValueError, match=r"ids from 0|has room"):
            asyncio.run(decoder.score(wrong))
    with pytest.raises(ValueError, match="first"):
        asyncio.run(decoder.score([1, 2], first=2))
    with pytest.raises(DecoderError, match="blocks"):
        asyncio.run(start(memory=BLOCK).score(some(9)))
