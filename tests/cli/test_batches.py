"""`system2 batch`, in processes of its own: broken lines are named, a killed batch goes on."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from cli.command import finish, run, start

from system2.records import record

QUESTIONS = ["What is 347 * 86?", "Use 13, 8, 5 to make 57", "Which is larger, 9.11 or 9.8?"]


def written(folder: Path, *lines: str) -> Path:
    path = folder / "in.jsonl"
    path.write_text("".join(line + "\n" for line in lines))
    return path


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_file_of_questions_becomes_a_file_of_answers(tmp_path: Path) -> None:
    objects = [json.dumps({"id": f"q{n}", "question": q}) for n, q in enumerate(QUESTIONS)]
    source = written(tmp_path, *objects, '"What is 2 + 3?"', "")
    out = tmp_path / "out.jsonl"
    ran = run("batch", str(source), str(out), "--effort", "low", data=tmp_path)
    assert ran.status == 0, ran.err
    found = {row["id"]: row for row in rows(out)}
    assert set(found) == {"q0", "q1", "q2", 4}
    assert (found["q0"]["answer"], found["q2"]["answer"], found[4]["answer"]) == (
        "29842",
        "9.8",
        "5",
    )
    assert all(
        row["run"] and row["question"] and row["cost_dollars"] == 0 for row in found.values()
    )
    assert not (tmp_path / "out.jsonl.runs").exists()
    again = run("batch", str(source), str(out), "--effort", "low", data=tmp_path)
    assert again.status == 0 and "4 of them answered before" in again.err
    assert {row["id"]: row for row in rows(out)} == found


def test_broken_lines_are_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    source = written(
        tmp_path, "{", '"What is 2 + 3?"', "[1]", '{"question": 7}', '{"id": [], "question": "x"}',
        '{"id": 2, "question": "twice"}', '{"id": true, "question": "x"}', "[" * 100_000, '""',
    )  # fmt: skip
    out = tmp_path / "out.jsonl"
    ran = run("batch", str(source), str(out), "--effort", "low", data=tmp_path)
    assert ran.status == 1
    for number in (1, 3, 4, 5, 6, 7, 8):
        assert f"in.jsonl, line {number}: " in ran.err
    assert "Traceback" not in ran.err
    found = {row["id"]: row for row in rows(out)}
    assert found[2]["answer"] == "5" and found[9]["why"] == "refused" and found[9]["error"]
    assert "question 9: the question is empty" in ran.err


def test_a_short_budget_is_kept_and_a_larger_one_goes_on(tmp_path: Path) -> None:
    source, out = written(tmp_path, *(json.dumps(q) for q in QUESTIONS)), tmp_path / "out.jsonl"
    ran = run("batch", str(source), str(out), "--tokens", "150", data=tmp_path)
    assert ran.status == 1 and "still open: " in ran.said
    spent = [sum(row["spent"].get(n, 0) for n in ("reasoning", "answer")) for row in rows(out)]
    assert sum(spent) <= 150 and len(spent) == 3
    ran = run("batch", str(source), str(out), "--tokens", "8000", data=tmp_path)
    assert ran.status == 0, ran.err
    assert {row["id"]: row["answer"] for row in rows(out)}[1] == "29842"


def test_killed_it_goes_on(tmp_path: Path) -> None:
    lines = [json.dumps(f"Use 9, 4, 11, {n} to make 30") for n in range(2, 10)]
    source, out = written(tmp_path, *lines), tmp_path / "out.jsonl"
    command = ("batch", str(source), str(out), "--samples", "16")
    process, end = start(*command, data=tmp_path), time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        if out.exists() and out.read_bytes().count(b"\n") >= 2:
            break
        time.sleep(0.002)
    process.kill()
    finish(process)
    before = rows(out)
    ran = run(*command, data=tmp_path)
    assert ran.status == 0, ran.err
    assert rows(out)[: len(before)] == before
    assert sorted(int(row["id"]) for row in rows(out)) == list(range(1, 9))
    runs = {row["run"] for row in rows(out)}
    assert len(list((tmp_path / "system2" / "runs").glob("*.jsonl"))) == len(runs) == 8


def test_what_is_no_batch_is_said_in_a_sentence(tmp_path: Path) -> None:
    source, out = written(tmp_path, '"What is 2 + 3?"'), tmp_path / "out.jsonl"
    out.write_text("my notes\n")
    ran = run("batch", str(source), str(out), data=tmp_path)
    assert (
        ran.status == 1 and "no answer of a batch" in ran.said and out.read_text() == "my notes\n"
    )
    out.unlink()
    for words, said in (
        ((str(tmp_path / "none.jsonl"), str(out)), "none.jsonl"),
        ((str(source), str(tmp_path / "no" / "out.jsonl")), "no/out.jsonl"),
        ((str(source), str(out), "--tokens", "0"), "--tokens must be at least 1"),
        ((str(source), str(out), "--dollars", "x"), "--dollars: expected an amount"),
        ((str(source), str(out), "--parallel", "0"), "--parallel must be from 1"),
        ((str(source), str(out), "--effort", "huge"), "there is no effort"),
        ((str(source), str(out), "--model", "http://127.0.0.1:9"), "needs model_name"),
    ):
        ran = run("batch", *words, data=tmp_path)
        assert ran.status == 1 and said in ran.said, ran.err
    source.write_text("\n")
    assert "holds no questions" in run("batch", str(source), str(out), data=tmp_path).said
    source.write_text("{\n")
    assert "in.jsonl, line 1: no JSON" in run("batch", str(source), str(out), data=tmp_path).said


def test_what_is_not_ours_is_never_written_over(tmp_path: Path) -> None:
    """Also one line without an end, a device, another name of the file, and the questions themselves."""
    source, notes = written(tmp_path, '"What is 2 + 3?"'), tmp_path / "notes.txt"
    for text in (
        "my precious notes",
        '{"question": "What is 2 + 3?"}',
        "{\n",
        '{"id": [], "run": 3}\n',
    ):
        notes.write_text(text)
        ran = run("batch", str(source), str(notes), data=tmp_path)
        assert ran.status == 1 and "no answer of a batch" in ran.said and notes.read_text() == text
        assert not (tmp_path / "notes.txt.runs").exists()
    ran = run("batch", str(source), str(source), data=tmp_path)
    assert ran.status == 1 and "holds the questions" in ran.said
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    ran = run("batch", str(source), str(pipe), data=tmp_path)
    assert ran.status == 1 and "no regular file" in ran.said and pipe.is_fifo()
    real, link = tmp_path / "real.jsonl", tmp_path / "link.jsonl"
    real.touch(0o600)
    link.symlink_to(real)
    ran = run("batch", str(source), str(link), "--effort", "low", data=tmp_path)
    assert ran.status == 0 and link.is_symlink() and rows(real)[0]["answer"] == "5"
    assert real.stat().st_mode & 0o777 == 0o600


def test_open_answers_stay_until_better_ones_are_there(tmp_path: Path) -> None:
    lines = [json.dumps(q) for q in ("What is 347 * 86?", "Use 2, 2, 2, 2 to make 57")]
    source, out = written(tmp_path, *lines), tmp_path / "out.jsonl"
    command = ("batch", str(source), str(out), "--samples", "64", "--tokens", "900")
    assert run(*command, data=tmp_path).status == 1
    before = rows(out)
    assert any(row["answer"] for row in before) and sum(bool(row["run"]) for row in before) == 2
    for more in (("--effort", "huge"), ("--price", "x"), ()):
        assert run(*command, *more, data=tmp_path).status == 1
        assert {row["id"]: row["answer"] for row in rows(out)} == {
            row["id"]: row["answer"] for row in before
        }
    assert sum(record(t).usage.completion for t in (tmp_path / "system2" / "runs").iterdir()) <= 900


def test_the_cap_holds_when_other_questions_are_asked(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    for pair in ("ab", "cd", "ef"):
        lines = [
            json.dumps({"id": c, "question": f"Use 9, 4, 11, {ord(c)} to make 30"}) for c in pair
        ]
        source = written(tmp_path, *lines)
        run("batch", str(source), str(out), "--tokens", "200", "--samples", "64", data=tmp_path)
    traces = (tmp_path / "system2" / "runs").glob("*.jsonl")
    assert 0 < sum(record(trace).usage.completion for trace in traces) <= 200


def test_dollars_of_two_prices_are_not_added_up(tmp_path: Path) -> None:
    source, out = written(tmp_path, '"What is 2 + 3?"'), tmp_path / "out.jsonl"
    command = ("batch", str(source), str(out), "--effort", "low", "--dollars", "1", "--price")
    assert run(*command, "0/10", data=tmp_path).status == 0
    ran = run(*command, "0/0.1", data=tmp_path)
    assert ran.status == 1 and "bought at a price of 0/10, and now 0/0.1" in ran.said


def test_what_another_question_cost_is_never_forgotten(tmp_path: Path) -> None:
    """The question of an id is changed while its run is open, twice over: all three count."""
    out, spent = tmp_path / "out.jsonl", []
    for n in (6, 7, 8):
        source = written(
            tmp_path, json.dumps({"id": "q", "question": f"Use 9, 4, 11, {n} to make 30"})
        )
        tokens = str(60 * (len(spent) + 1))
        ran = run("batch", str(source), str(out), "--tokens", tokens, data=tmp_path)
        assert ran.status == 1, ran.err
        (row,) = rows(out)
        spent.append(row["spent"].get("reasoning", 0))
        assert 0 < spent[-1] <= 60
    assert sum(spent) <= 180 and len((tmp_path / "out.jsonl.runs").read_text().splitlines()) == 3


def test_half_a_letter_is_refused_and_kept(tmp_path: Path) -> None:
    source, out = (
        written(tmp_path, '{"id": "\\ud800", "question": "\\ud83d 2+2"}'),
        tmp_path / "o.jsonl",
    )
    for _ in range(2):
        ran = run("batch", str(source), str(out), data=tmp_path)
        assert ran.status == 0 and "Traceback" not in ran.err, ran.err
        (row,) = rows(out)
        assert row["why"] == "refused" and row["id"] == "\ud800"
