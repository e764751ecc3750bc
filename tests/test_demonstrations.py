"""Worked examples: read, shown to a server's model, and made out of bare questions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli.command import run
from hypothesis import given
from hypothesis import strategies as st
from policies.counting_server import Manners, Server

from system2.auto_cot import auto_cot, clusters, unanswered
from system2.demonstrations import Demonstration, conversation, read
from system2.policies.segment import final_answer
from system2.solve import prepare
from system2.verifiers.meaning import ADVICE, installed

needed = pytest.mark.skipif(not installed(), reason=ADVICE)
TWO = [
    Demonstration("What is 2 + 3 * 4?", "First 3 * 4 = 12.\n\nThen 2 + 12 = 14.", "14"),
    Demonstration("法国的首都？", "法国在欧洲，首都是巴黎。", "巴黎"),
]
QUESTIONS = [
    "How many apples are left when Tom eats two of nine?",
    "How many pears are left when Ann eats three of ten?",
    "What is the capital of France?",
    "What is the capital of Italy?",
    " ".join(["very"] * 80),
]


@given(st.integers(), st.text(st.characters(categories=("Lu", "Nd")), min_size=1, max_size=20))
def test_the_answer_can_be_read_out_again(number: int, text: str) -> None:
    for answer in (str(number), text):
        one = Demonstration("?", "So it is.", answer)
        assert final_answer(one.turns()[1].text) == answer
        assert unanswered(one.turns()[1].text, answer) == "So it is."


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "examples.jsonl"
    file.write_text("\n\n".join(one.line() for one in TWO) + "\n", "utf-8")
    assert read(file) == TWO
    assert [turn.role for turn in conversation(TWO)] == ["user", "assistant"] * 2


def test_every_broken_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "examples.jsonl"
    broken = [
        "{",
        TWO[0].line(),
        "[]",
        '{"question": "?", "thoughts": "", "answer": "1"}',
        '{"question": "?", "thoughts": "so", "answer": 1}',
        '{"question": "?", "thoughts": "so", "answer": "1\\n2"}',
        '{"question": "\\ud800", "thoughts": "so", "answer": "1"}',
        "[" * 100_000,
    ]
    file.write_bytes("\n".join(broken).encode() + b"\n\xff\n")
    with pytest.raises(ValueError, match=r"line 1: .*line 3: ") as caught:
        read(file)
    told = str(caught.value)
    assert [f"line {n}:" in told for n in range(1, 11)] == [
        True, False, True, True, True, True, True, True, True, False,
    ]  # fmt: skip
    file.write_text("\n")
    with pytest.raises(ValueError, match="holds no examples"):
        read(file)


def test_the_model_reads_them_before_the_question(tmp_path: Path) -> None:
    file = tmp_path / "examples.jsonl"
    file.write_text("\n".join(one.line() for one in TWO), "utf-8")
    told = ("--examples", str(file))
    with Server() as server:
        with_them = ("--model", server.url, "--model-name", "pretend", "--system", "Be short.")
        run("ask", "How?", *told, *with_them, "--samples", "1", data=tmp_path)
    sent = server.records[0].body["messages"]
    assert [one["role"] for one in sent] == ["system"] + ["user", "assistant"] * 2 + ["user"]
    assert sent[2]["content"].endswith("Then 2 + 12 = 14.\n\nAnswer: 14")
    assert sent[-1]["content"].startswith("How?")


def test_the_embedded_model_reads_none() -> None:
    with pytest.raises(ValueError, match="examples: only a server's model reads this"):
        prepare("1+1", examples=TWO, trace=False)
    with pytest.raises(ValueError, match="a server's model"):
        auto_cot(QUESTIONS, 2)


@given(st.integers(1, 6), st.integers(0, 5), st.integers(0, 99))
def test_clusters_hold_every_row_once(k: int, more: int, seed: int) -> None:
    rows = np.random.default_rng(seed).integers(0, 3, (k + more, 2)).astype(np.float32)
    found = clusters(rows, k, seed)
    assert sorted(at for one in found for at in one) == list(range(k + more))
    assert all(found) and len(found) == k and found == clusters(rows, k, seed)


@needed
def test_examples_are_made_one_a_kind() -> None:
    with Server(Manners(paragraphs=2)) as server:
        options = {"model": server.url, "model_name": "pretend", "trace": False}
        found = auto_cot(QUESTIONS, 2, **options)  # type: ignore[arg-type]
        kinds = {"capital" in one.question for one in found.examples}
        assert len(found.examples) == 2 and kinds == {True, False}
        assert found.usage.completion == server.sent and found.cost is None
        little = auto_cot(QUESTIONS, 2, tokens=5, **options)  # type: ignore[arg-type]
        assert little.ended == "budget" and little.usage.completion <= 5
    with Server(Manners(paragraphs=30)) as server:
        long = auto_cot(QUESTIONS, 2, **(options | {"model": server.url}))  # type: ignore[arg-type]
    assert long.examples == [] and long.empty == 2 and long.thought == 4
    with pytest.raises(ValueError, match="k must be from 1"):
        auto_cot(QUESTIONS, 5, **options)  # type: ignore[arg-type]


@needed
def test_the_command_writes_them(tmp_path: Path) -> None:
    questions, out = tmp_path / "q.jsonl", tmp_path / "examples.jsonl"
    questions.write_text("\n".join(map(json.dumps, QUESTIONS)), "utf-8")
    with Server(Manners(paragraphs=2)) as server:
        words = ["examples", str(questions), "-k", "2", "--out", str(out)]
        words += ["--model", server.url, "--model-name", "pretend", "--price", "1/2"]
        done = run(*words, data=tmp_path)
        assert done.status == 0 and "2 of 2 examples" in done.err and "$0.0" in done.err
        assert len(read(out)) == 2
        again = run(*words, data=tmp_path)
    assert again.status == 1 and "File exists" in again.err
