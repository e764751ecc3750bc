"""The segmenter: the same steps however the text is cut, and the answer it reads."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from system2.core import Step
from system2.policies.segment import By, Segmenter, Span, answered, final_answer, written

BYS: list[By] = ["paragraph", "sentence", "marker"]
INK = st.sampled_from(
    [
        *'aB3.!?。！”")* \n</:：…\t😀1',
        "14",
        "\n\n",
        "\r\n",
        "<step>",
        "</step>",
        "<think>",
        "</think>",
        "st",
        "ep>",
        "think>",
        "e.g",
        "Dr",
        "No",
        "我们",
        "Answer",
        "答案",
    ]
)
TEXT = st.lists(INK, max_size=40).map("".join)


def steps(spans: list[Span]) -> list[tuple[str, str, bool]]:
    """(text, kind, ended) of every step; the last may be open."""
    out: list[tuple[str, str, bool]] = []
    text, kind = "", ""
    for span in spans:
        assert not kind or kind == span.kind, "a step has one kind"
        text, kind = text + span.text, span.kind
        if span.end:
            out.append((text, kind, True))
            text, kind = "", ""
    return [*out, (text, kind, False)] if text else out


def cut(
    text: str, by: By, at: list[int] | None = None, *, reply: bool = False
) -> list[tuple[str, str, bool]]:
    segmenter, spans = Segmenter(by, reply=reply), list[Span]()
    places = [0, *sorted({min(n, len(text)) for n in at or []}), len(text)]
    for start, end in pairwise(places):
        spans += segmenter.feed(text[start:end])
    return steps([*spans, *segmenter.close()])


def texts(text: str, by: By) -> list[str]:
    return [step[0] for step in cut(text, by)]


@given(TEXT, st.sampled_from(BYS), st.lists(st.integers(0, 120), max_size=30), st.booleans())
@example("a.\n\n<think>b</think>", "sentence", [1, 2, 3, 8], False)
@example("a.\n<step>\n</think>b", "marker", list(range(20)), False)
def test_steps_do_not_depend_on_the_chunks(text: str, by: By, at: list[int], reply: bool) -> None:
    whole = cut(text, by, reply=reply)
    assert cut(text, by, at, reply=reply) == whole
    assert cut(text, by, list(range(len(text))), reply=reply) == whole


@given(TEXT, st.sampled_from(BYS))
def test_no_step_is_blank_and_no_text_is_lost(text: str, by: By) -> None:
    found = cut(text, by)
    assert all(step[0].strip() for step in found if step[2])
    if by != "marker" and "think>" not in text:
        assert "".join(step[0] for step in found) == text


@given(TEXT, st.sampled_from(BYS))
def test_a_chain_written_out_again_is_cut_the_same(text: str, by: By) -> None:
    if "think>" in text or "<" in text.replace("<step>", ""):
        return
    found = cut(text, by)
    chain = [Step(t, 1, cut=not ended) for t, _, ended in found]
    assert [t.strip() for t in texts(written(chain, by), by)] == [t.strip() for t, _, _ in found]


@given(TEXT, st.integers(0, 40))
def test_the_answer_does_not_depend_on_the_chunks(text: str, at: int) -> None:
    whole, pieces = Segmenter(), Segmenter()
    whole.feed(text)
    whole.close()
    for piece in (text[:at], text[at:]):
        pieces.feed(piece)
    pieces.close()
    assert whole.answer() == pieces.answer()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One.\n\nTwo.\n\n\nThree", ["One.\n\n", "Two.\n\n\n", "Three"]),
        ("\n\nOne\n \t\nTwo\n\n", ["\n\nOne\n \t\n", "Two\n\n"]),
        ("a\r\n\r\n    code", ["a\r\n\r\n", "    code"]),
        ("a\nb\nc", ["a\nb\nc"]),
    ],
)
def test_paragraphs(text: str, expected: list[str]) -> None:
    assert texts(text, "paragraph") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Pi is 3.14. So it is! Is it?", ["Pi is 3.14.", " So it is!", " Is it?"]),
        ("我们先算。再看！对吗？“好。”他说", ["我们先算。", "再看！", "对吗？", "“好。”", "他说"]),
        (
            "Dr. No, e.g. this one, cf. No. 5 ends. Next",
            ["Dr. No, e.g. this one, cf. No. 5 ends.", " Next"],
        ),
        ("He said no. Then 7.", ["He said no.", " Then 7."]),
        ("1. First we add. 2 more", ["1. First we add.", " 2 more"]),
        ("x is 12. So y.\n10. Ten", ["x is 12.", " So y.\n", "10. Ten"]),
        ("see file.txt or a?b:c in U.S. law", ["see file.txt or a?b:c in U.S. law"]),
        ("Done.) **Bold.** Next", ["Done.)", " **Bold.**", " Next"]),
        ("no mark\n\nnext", ["no mark\n\n", "next"]),
        ("नमस्ते। फिर", ["नमस्ते।", " फिर"]),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert texts(text, "sentence") == expected


def test_markers() -> None:
    assert texts("<step>a b\n<step> c</step>\n<step>d</step>\n", "marker") == ["a b", "c", "d"]
    assert texts("a<b<step>c <ste", "marker") == ["a<b", "c <ste"]


def test_inline_thoughts_and_reply() -> None:
    text = "\n<think>\none\n\ntwo\n</think>\n\nIt is 4.\n\nAnswer: 4"
    assert cut(text, "paragraph") == [
        ("\none\n\n", "thought", True),
        ("two\n", "thought", True),
        ("It is 4.\n\nAnswer: 4", "reply", False),
    ]
    assert cut("thinking</think>4", "paragraph") == [
        ("thinking", "thought", True),
        ("4", "reply", False),
    ]
    assert cut("<think>\n</think>\n4", "paragraph") == [("4", "reply", False)]
    assert cut("<think>a</think>4", "paragraph", reply=True)[-1] == ("4", "reply", False)
    assert cut("4 </think>", "paragraph", reply=True) == [("4 </think>", "reply", False)]


def test_thoughts_in_their_own_field() -> None:
    segmenter = Segmenter()
    spans = (
        segmenter.feed("one\n\ntwo", thought=True) + segmenter.feed("\n\n") + segmenter.feed("4")
    )
    assert steps(spans + segmenter.close()) == [
        ("one\n\n", "thought", True),
        ("two", "thought", True),
        ("4", "reply", False),
    ]
    assert segmenter.answer() == "4"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x\nAnswer: 42.", "42"),
        ("Answer: 1\nno\n**Final Answer:** 2\n", "2"),
        ("答案：七", "七"),
        ("最终答案是：**七**", "七"),
        ("Answer:\n1 2\n3 4", "1 2\n3 4"),
        ("Answer: 4\n\nAnswer:", "4"),
        ("so \\boxed{\\frac{1}{2}} it is", "\\frac{1}{2}"),
        ("\\boxed{1} or \\boxed{a\\}b{c}}", "a\\}b{c}"),
        ("\\boxed{1} then \\boxed{{2}", "1"),
        ("Answer: $\\boxed{7}$", "7"),
        ("Answer: $x^2$", "x^2"),
        ("Answer: U.S.", "U.S."),
        ("The answer is: B", "B"),
        ("one\ntwo\n\n", "two"),
        (" \n", None),
    ],
)
def test_final_answer(text: str, expected: str | None) -> None:
    assert final_answer(text) == expected


def test_answered_needs_an_answer_that_is_named() -> None:
    assert answered("just a line") is None
    assert answered("no answer: none here") is None


@given(st.text())
def test_any_text_has_an_answer_or_none(text: str) -> None:
    found = final_answer(text)
    assert found is None or found.strip() == found != ""


def test_thousands_of_open_boxes_are_read_once() -> None:
    """A model that loops writes them; looked at pair by pair, they would hold the loop up for minutes."""
    assert final_answer("\\boxed{" * 50_000) == "\\boxed{" * 50_000
    assert final_answer("\\boxed{" * 50_000 + "7}") == "7"
    assert final_answer("}" * 50_000 + "\\boxed{7}" + "{" * 50_000) == "7"


def test_an_answer_of_several_lines() -> None:
    assert (
        final_answer("so\nAnswer: def f(x):\n    return x + 1\nDone.")
        == "def f(x):\n    return x + 1"
    )
    fenced = "Answer: ```python\nx = 1\n\ny = 2\n```\nDone."
    assert final_answer(fenced) == "```python\nx = 1\n\ny = 2\n```"
    assert final_answer("Answer: 42\n\nI hope this helps.") == "42"
    assert final_answer("Answer: 42\nBecause 6 * 7 is 42.") == "42"


ENDLESS = [
    " ",
    "\n",
    "\t \r\n",
    ".",
    ".)",
    "。",
    '!"',
    "<step>",
    "</step> ",
    " \n<step>",
    ". ",
    "`",
]


@pytest.mark.parametrize("by", BYS)
@pytest.mark.parametrize("run", ENDLESS)
def test_a_run_without_end_is_looked_at_once(run: str, by: By) -> None:
    """In pieces only so much is held as can be looked at again with each; whole, it is not retried inside."""
    pieces = Segmenter(by)
    pieces.feed("So")
    for _ in range(3_000):
        pieces.feed(run)
        assert len(pieces._held) + len(pieces._raw) <= 1_100  # pyright: ignore[reportPrivateUsage]
    assert steps([*Segmenter(by).feed("So" + run * 60_000 + "x")])
    assert cut("So" + run * 60_000, by)
    assert cut(run * 60_000, by) is not None


@pytest.mark.parametrize("by", BYS)
@pytest.mark.parametrize("run", ENDLESS)
@pytest.mark.parametrize("size", [1, 7, 64, 65, 66, 999])
def test_a_run_without_end_is_cut_alike_in_chunks(run: str, by: By, size: int) -> None:
    text = f"So{run * 1_500}it is. {run * 70}"
    assert cut(text, by, [*range(size, len(text), size)]) == cut(text, by)


def test_a_fence_that_never_opens_is_looked_at_once() -> None:
    assert answered("Answer: " + "`" * 60_000) is None
    assert answered("Answer: " + "`" * 60_000 + "x")
