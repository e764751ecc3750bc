"""Notes on the embedded model's own thoughts: true to the steps, for all its tasks, in two languages."""

from __future__ import annotations

import asyncio
import re
from random import Random

import pytest
from engine.fakes import drive, shape

from system2.core import Chain, Meter, Moment, Note, Noted, Problem, Step
from system2.engine import Aside, Engine
from system2.policies.local import LocalPolicy
from system2.search import best_of, single
from system2.sidecars import plain_summary
from system2.sidecars.moderation import unlent
from system2.sidecars.plain import _MANY, _MILESTONES, _SAID, _TITLES
from system2.sidecars.reading import Act, acts
from system2.tasks import TASKS

CUT = re.compile(r"(<step>|<check>|<back>|</think>)")
KNOWN = 0.75  # share of steps that are more than work, of every task


def chain_of(trace: str, answer: str) -> list[Step]:
    """A trace as the embedded model's policy cuts it."""
    parts = CUT.split(trace)
    steps = [Step(text + mark, len(text) + 1) for text, mark in zip(parts[::2], [*parts[1::2], ""])]
    last = Step(f"{steps[-1].text}</think>{answer}", 9, answer=answer, final=True)
    return [*steps[:-1], last]


def note(chain: Chain, since: int = 0, tag: str = "en") -> str:
    said = asyncio.run(
        plain_summary(tag).at_step(Problem.of("q"), chain, unlent, Moment("step", since))
    )
    return said.text if isinstance(said, Note) else ""


def numbers(text: str) -> set[str]:
    return {*re.findall(r"\d+", text)}


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("effort", ["low", "high"])
def test_every_number_of_a_note_stands_in_its_steps(name: str, effort: str):
    task, rng = TASKS[name], Random(name)
    read = total = 0
    for _ in range(40):
        facts = task.draw(rng)
        chain = chain_of(task.think(facts, effort, rng), task.answer(facts))
        found = acts(chain)
        assert len(found) == len(chain)
        total += len(found)
        read += sum(act.kind != "work" for act in found)
        for _ in range(4):
            since = rng.randrange(len(chain))
            upto = rng.randrange(since, len(chain)) + 1
            steps = "".join(step.text for step in chain[since:upto])
            for tag in ("en", "zh-CN"):
                text = note(chain[:upto], since, tag)
                counts = {str(n) for n in range(2, upto - since + 1)}
                assert numbers(text) <= numbers(steps) | counts, (text, steps)
                title, _, body = text.partition("\n\n")
                assert re.fullmatch(r"\*\*[^*\n]+\*\*", title), text
                assert "\n" not in body and body.count(". ") <= 2 and body.count("。") <= 3
                assert not CUT.search(text) and "<" not in text
                assert bool(re.search("[一-鿿]", text)) is (tag == "zh-CN")
    assert read >= KNOWN * total, (name, read, total)


@pytest.mark.parametrize(
    ("trace", "said"),
    [
        (
            "13,11,11,6:19<step>11-6=5:5,13,11<step>11-5=6,13:19,7,78|19 yes<step>6+13",
            [
                Act("short"), Act("try", "11-6=5"), Act("hit", "11-5=6"), Act("compute", "6+13"),
            ],
        ),
        (
            "13,11,11,6:19<step>11+6=17:17,13,11<step>17-13=4,11:15,7,44|19 no<back>13,11,11,6",
            [
                Act("short"), Act("try", "11+6=17"), Act("dead", "17-13=4"), Act("back", "13,11,11,6"),
            ],
        ),
        (
            "5*x+27=172<step>5*x=172-27<step>172-27:2-7-0+10=5,7-2-1=4,1-0-0=1 so 145<step>x=29<check>5*29=145 ok",
            [
                Act("read", "5*x+27=172"), Act("equation", "5*x=172-27"), Act("compute", "172-27", "145"),
                Act("equation", "x=29"), Act("good", "5*29", "145"),
            ],
        ),
        (
            "6*8+13*(4-9)<step>4-9=-(9-4)=-5:6*8+13*(-5)<step>13*(-65)=-(13*65):13*60=780,13*5=65 so 780+65:0+5+0=5 so 845 so -845:48+(-845)",
            [
                Act("read", "6*8+13*(4-9)"), Act("compute", "4-9", "-5"), Act("compute", "13*(-65)", "-845"),
            ],
        ),
        (
            "45 10 to 2<step>45/2=22 r 1,22/2=11 r 0 so 101101",
            [Act("short"), Act("result", gave="101101")],
        ),
        (
            "2,4,8,16<step>4-2=2,8-4=4,16-8=8<step>2,4,8<step>times 2<step>4/2=2,4*2=8 ok",
            [Act("short"), Act("differences"), Act("work"), Act("rule", "times 2"), Act("good")],
        ),
        (
            "1 liz,2 mia<step>liz on mia knave:1>2-<step>++:1+>2-:+ false no<step>+-:1+>2-:- true ok",
            [Act("short"), Act("statement"), Act("fails", "++"), Act("fits", "+-")],
        ),
        ("11*p+4=12*p-24<step>p=28", [Act("read", "11*p+4=12*p-24"), Act("equation", "p=28")]),
        ("something else entirely", [Act("work")]),
    ],
)  # fmt: skip
def test_steps_are_read_for_what_they_do(trace: str, said: list[Act]):
    assert acts([Step(part, 1) for part in whole(trace)]) == said


@pytest.mark.parametrize("end", ["9-", "(7+8)*", "3+(", "8."])
def test_a_sum_that_was_cut_off_is_none(end: str):
    chain = [Step("3,7,8,9:24<step>", 9), Step(end, 3)]
    assert acts(chain)[-1] == Act("work")
    assert note(chain, 1) == "**Thinking**"


def whole(trace: str) -> list[str]:
    parts = CUT.split(trace)
    return ["".join(pair) for pair in zip(parts[::2], [*parts[1::2], ""])]


def test_many_of_a_kind_are_told_together():
    trace = "13,11,11,6:19<step>11+6=17:17,13,11<step>17-13=4,11:15|19 no<step>17-11=6,13:19|78 no<back>13,11,11,6"
    chain = [Step(part, 1) for part in whole(trace)]
    assert note(chain) == (
        "**Going back**\n\nIt tries 11 + 6 = 17. 2 moves do not lead to the target. "
        "It returns to 13,11,11,6 to try something else."
    )
    assert note(chain, 4, "zh-CN") == "**回到前面**\n\n它回到 13,11,11,6，换一种做法。"
    assert note(chain, 4, "fr").startswith("**Going back**")


def test_every_word_is_there_in_both_languages():
    for table in (_TITLES, _SAID, _MANY, _MILESTONES):
        assert table["en"].keys() == table["zh"].keys()
    assert _MANY["en"].keys() <= _SAID["en"].keys() <= _TITLES["en"].keys()


def test_marks_and_markup_in_what_it_reads_are_none_in_what_it_says():
    forged = "<step>**boo**</think>[x](http://evil) <think>" * 50
    chain = [Step(forged, 3), Step("7+6=13<step>", 3), Step("x", 1, answer="**<b>boo**")]
    for what in ("step", "answer", "wrong", "lead"):
        moment = Moment(what, 0, "[a](b)")  # type: ignore
        said = asyncio.run(plain_summary().at_step(Problem.of("q"), chain, unlent, moment))
        text = said.text if said else ""
        assert not set("<>[]") & {*text}
        assert text.count("**") in (0, 2)


@pytest.mark.parametrize(
    ("question", "answer", "tag"),
    [
        ("347*86", "29842", "en"),
        ("5x+27=172, solve for x", "29", "zh-CN"),
        ("347*86等于多少？", "29842", "de"),
    ],
)
def test_the_embedded_model_itself_is_followed(question: str, answer: str, tag: str):
    problem, policy = Problem.of(question, effort="high"), LocalPolicy()
    alone = Engine(problem, single(), policy, Meter(), seed=1)
    drive(alone)
    aside = Aside(plain_summary(tag), every=30)
    run = Engine(problem, single(), policy, Meter(), seed=1, sidecars=[aside])
    end, events = drive(run)
    assert end.answer == answer
    assert shape(run.tree) == shape(alone.tree)
    notes = [event for event in events if isinstance(event, Noted)]
    assert notes and notes[-1].what == "answer" and answer in notes[-1].text
    steps = "".join(step.text for step in run.tree.finals[0].chain())
    told = "".join(note.text for note in notes)
    assert numbers(told) <= numbers(steps) | {str(n) for n in range(9)}
    assert bool(re.search("[一-鿿]", told)) is (tag == "zh-CN")
    assert "sidecar" not in end.roles


def test_of_many_lines_of_the_embedded_model_each_answer_is_told_once():
    problem = Problem.of("Use 13, 11, 11, 6 to make 19", effort="high")
    aside = Aside(plain_summary(), every=60)
    run = Engine(
        problem, best_of(6), LocalPolicy(temperature=0.8), Meter(), seed=3, sidecars=[aside]
    )
    _, events = drive(run)
    answers = [e.text for e in events if isinstance(e, Noted) and e.what in ("answer", "lead")]
    assert answers and len(answers) == len({*answers})
    assert len(answers) <= len({node.answer for node in run.tree.finals})
