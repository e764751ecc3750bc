"""`system2 routes`: answered questions become routes, and `ask --routes` follows them."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

from cli.command import run

from system2.routing import load


def written(folder: Path, count: int) -> Path:
    rng = Random(5)
    rows = [(rng.randrange(100, 999), rng.randrange(100, 999)) for _ in range(count)]
    lines = [json.dumps({"question": f"What is {a} + {b}?", "answer": a + b}) for a, b in rows]
    path = folder / "in.jsonl"
    path.write_text("\n".join([*lines, '{"question": "What is 1 + 1?"}', "{"]) + "\n")
    return path


def test_learnt_and_followed(tmp_path: Path) -> None:
    source, target = written(tmp_path, 40), tmp_path / "routes.json"
    ran = run("routes", str(source), str(target), "--most", "4", "--seed", "2", data=tmp_path)
    assert ran.status == 0, ran.err
    assert 'line 41: it has no "answer"' in ran.err and "line 42: no JSON" in ran.err
    routes = load(target)
    assert {"stop", "lines"} <= set(routes.ways) <= {"stop", "lines", "forking"}
    assert sum(way.runs for way in routes.ways.values()) == len(routes.seen) == 40
    asked = ("ask", "What is 347 + 586?", "--json", "--routes", str(target))
    ran = run(*asked, data=tmp_path)
    found = json.loads(ran.out)
    assert found["answer"] == "933" and 4 <= found["samples"] <= 40
    ran = run("resume", "last", "--json", data=tmp_path)
    assert json.loads(ran.out)["answer"] == "933", ran.err
    batch, out = tmp_path / "b.jsonl", tmp_path / "out.jsonl"
    batch.write_text('"What is 12 + 30?"\n')
    ran = run("batch", str(batch), str(out), "--routes", str(target), data=tmp_path)
    assert ran.status == 0 and json.loads(out.read_text())["answer"] == "42", ran.err


def test_what_is_wrong_is_said_in_a_sentence(tmp_path: Path) -> None:
    source, target = written(tmp_path, 3), tmp_path / "routes.json"
    for words, said in (
        (("routes", str(source), str(target)), "3 questions with an answer; at least 30"),
        (("routes", str(tmp_path / "none"), str(target)), "none"),
        (("ask", "1+1", "--routes", str(source)), "holds no routes"),
        (("ask", "1+1", "--routes", str(tmp_path / "none")), "none"),
        (
            ("ask", "1+1", "--routes", str(source), "--samples", "3"),
            "samples and routes were given",
        ),
    ):
        ran = run(*words, data=tmp_path)
        assert ran.status == 1 and said in ran.said and "Traceback" not in ran.err, ran.err
    ran = run("routes", str(source), str(source), data=tmp_path)
    assert ran.status == 1 and "questions with an answer" in ran.said
    source, few = written(tmp_path, 31), ("--tokens", "300")
    ran = run("routes", str(source), str(target), *few, data=tmp_path)
    assert ran.status == 1 and "or more budget" in ran.said
    before = source.read_bytes()
    for place, said in ((source, "cannot hold the routes"), (tmp_path, "cannot hold the routes")):
        ran = run("routes", str(source), str(place), data=tmp_path)
        assert ran.status == 1 and said in ran.said and source.read_bytes() == before
    odd = [
        '{"id": [1], "question": "x", "answer": 1}',
        '{"id": "a", "question": "x", "answer": null}',
    ]
    source.write_bytes(before + "\n".join(odd).encode())
    ran = run("routes", str(source), str(target), "--tokens", "300", data=tmp_path)
    assert 'line 35: it has no "answer"' in ran.err and "Traceback" not in ran.err
