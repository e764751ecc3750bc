"""Lessons have the frame of docs/traces.md; batches keep every lesson whole."""

from collections import Counter
from random import Random

import pytest

from system2.policies.local import HOME, Tokenizer
from system2.tasks import TASKS
from system2.tasks.countdown import taught
from system2.tasks.task import Task
from system2.training.lessons import WEIGHTS, lesson, solved

TOKENIZER = Tokenizer.load(HOME / "tokenizer.json")


def test_every_task_is_taught():
    assert set(WEIGHTS) == set(TASKS)


@pytest.mark.parametrize("name", sorted(TASKS))
@pytest.mark.parametrize("effort", ["none", "low", "high"])
def test_frame(name, effort):
    special = TOKENIZER.special
    for seed in range(20):
        one = solved(TOKENIZER, Random(seed), TASKS[name], "en", effort)
        at = one.ids.index(special[f"<{effort}>"])
        assert one.ids[0] == special["<bos>"]
        assert not any(one.learnt[: at + 1])
        assert all(one.learnt[at + 2 :]) or (name in ("countdown", "game24") and effort != "none")
        assert one.learnt[at + 1] == (effort == "none")
        assert (special["<think>"] in one.ids) == (effort != "none")
        if special["<eos>"] not in one.ids:  # a search cut for length, a riddle only read
            assert name == "knights" or (name in ("countdown", "game24") and effort == "high")
            assert special["</think>"] not in one.ids


def test_moves_drawn_blindly_are_not_learnt():
    """Wrong moves where a right one could be made; below a wrong first move every try is learnt."""
    text = (
        "2,5,3,1:12<step>2+5=7:7,3,1<step>7-3=4,1:5,3,4,4|12 no<step>7+3=10,1:11,9,10,10|12 no"
        "<back>2,5,3,1<step>5-1=4:4,2,3<step>4+2=6,3:9,3,18,2|12 no"
        "<step>4*2=8,3:11,5,24|12 no<step>2*3=6,4:10,2,24|12 no"
    )

    def blind(trace: str) -> list[str]:
        assert "".join(piece for piece, _ in taught(trace)) == trace
        return [piece for piece, asked in taught(trace) if not asked]

    assert blind(text) == blind(text + "<step>4-") == ["2+5", "5-1"]
    assert blind(text + "<back>2,5,3,1<step>3") == ["2+5", "5-1", "3"]
    found = "<step>4*3=12,2:14,10,24,6|12 no<step>2+4=6,2:8,4,12,3|12 yes<step>6*2<step>(2+4)*2"
    assert blind(text + found) == ["2+5", "4+2", "4*2", "2*3", "4*3"]
    three = "2,8,4:24<step>2+4=6,8:14,2,48|24 no<step>8+4=12,2:14,10,24,6|24 yes<step>12*2"
    assert blind(three) == ["2+4"]


def test_searches_keep_their_tokens_when_cut_in_pieces():
    for name in ("countdown", "game24"):
        for seed in range(40):
            rng = Random(seed)
            trace = TASKS[name].think(TASKS[name].draw(rng), "high", rng)
            ids = [n for piece, _ in taught(trace) for n in TOKENIZER.encode_trace(piece)]
            assert ids == TOKENIZER.encode_trace(trace)


def test_the_mixture_depends_on_the_seed_only():
    twice = [[lesson(TOKENIZER, Random(f"a {n}"), 0.5).ids for n in range(50)] for _ in range(2)]
    assert twice[0] == twice[1]


def test_facts_come_first():
    def share(progress: float) -> float:
        rng = Random(5)
        tasks = Counter(lesson(TOKENIZER, rng, progress).task for _ in range(400))
        return tasks["facts"] / 400

    assert share(0.1) > 0.6 > 0.25 > share(0.5)


def test_a_batch_keeps_lessons_whole():
    torch = pytest.importorskip("torch")
    from system2.training import batch

    shapes = (batch.Shape(6, 192), batch.Shape(4, 576))
    for shape, (data, packed) in zip(
        shapes, batch.draw(TOKENIZER, Random(1), shapes, 0.5), strict=True
    ):
        size = (shape.rows, shape.length)
        assert data.ids.shape == data.learnt.shape == data.segments.shape == size
        for row, lessons in enumerate(packed):
            for number, one in enumerate(lessons, 1):
                own = data.segments[row] == number
                assert data.ids[row][own].tolist() == one.ids
                assert data.learnt[row][own].tolist() == one.learnt
        assert not data.learnt[data.segments == 0].any()
        assert torch.equal(
            data.ids[data.segments == 0], torch.zeros_like(data.ids)[data.segments == 0]
        )


def test_rows_are_nearly_full():
    pytest.importorskip("torch")
    from system2.training import batch

    shapes = (batch.Shape(13, 256), batch.Shape(5, 576))
    for progress in (0.0, 0.5):
        filled = [
            float((data.segments > 0).float().mean())
            for seed in range(10)
            for data, _ in batch.draw(TOKENIZER, Random(seed), shapes, progress)
        ]
        assert sum(filled) / len(filled) > 0.92


def test_held_out_problems_are_never_taught():
    from system2.tasks.task import held_out

    for task in TASKS.values():
        rng = Random(3)
        assert not any(held_out(task, task.draw_taught(rng)) for _ in range(60))
        assert held_out(task, task.draw_held_out(rng))


def test_tests_are_drawn_from_what_is_held_out():
    taught, kept = (
        [lesson(TOKENIZER, Random(f"h {n}"), 0.5, draw).ids for n in range(300)]
        for draw in (Task.draw_taught, Task.draw_held_out)
    )
    same = sum(a == b for a, b in zip(taught, kept, strict=True))
    assert 0 < same < 150  # facts and refusals only
