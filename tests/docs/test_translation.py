"""README.zh-CN.md keeps step with README.md: the same headings, commands, code, figures and links, in the same order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGLISH = (ROOT / "README.md").read_text("utf-8")
CHINESE = (ROOT / "README.zh-CN.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HAN = re.compile(r"[\u4e00-\u9fff]")


def headings(text: str) -> list[int]:
    """The level of each heading, in order."""
    return [len(marks) for marks in re.findall(r"^(#+) .*\S$", BLOCK.sub("", text), re.MULTILINE)]


def blocks(text: str) -> list[tuple[str, str]]:
    """Kind and code of each block; what a comment of the shell says is in the reader's language."""
    return [
        (kind, re.sub(r" +# .*$", "", code, flags=re.MULTILINE) if kind == "sh" else code)
        for kind, code in BLOCK.findall(text)
    ]


def links(text: str) -> list[str]:
    """Where links and pictures lead; the link to the other language counts as one."""
    found = re.findall(r"\]\(([^)]+)\)", BLOCK.sub("", text))
    return sorted("other" if name in ("README.md", "README.zh-CN.md") else name for name in found)


def quoted(text: str) -> list[str]:
    """What stands in backticks outside of blocks."""
    return sorted(re.findall(r"`([^`\n]+)`", BLOCK.sub("", text)))


def figures(text: str) -> list[list[str]]:
    """The numbers of each row of a table of results."""
    rows = [line for line in BLOCK.sub("", text).splitlines() if line.startswith("| ")]
    return [found for row in rows if (found := re.findall(r"\d+\.\d", row))]


@pytest.mark.parametrize("part", [headings, blocks, links, quoted, figures])
def test_both_have_the_same(part: object):
    assert callable(part)
    assert part(ENGLISH)
    assert part(CHINESE) == part(ENGLISH)


def test_percentages_and_counts_of_the_text_are_the_same():
    def told(text: str) -> list[str]:
        return sorted(re.findall(r"\d+\.\d %|1,024|\b5400\b|\b104\b|\b127\b", BLOCK.sub("", text)))

    assert len(told(ENGLISH)) > 5
    assert told(CHINESE) == told(ENGLISH)


def test_each_paragraph_is_translated():
    paragraphs = [part for part in BLOCK.sub("", CHINESE).split("\n\n") if part.strip()]
    english = [part for part in BLOCK.sub("", ENGLISH).split("\n\n") if part.strip()]
    assert len(paragraphs) == len(english)
    plain = {"# system2", "[English](README.md)", "Apache-2.0。"}
    assert not [p for p in paragraphs if not HAN.search(p) and p.strip() not in plain]


def test_a_difference_is_found():
    assert headings(CHINESE + "\n## 多余\n") != headings(ENGLISH)
    assert blocks(CHINESE.replace("system2 serve\n", "system2 server\n")) != blocks(ENGLISH)
    assert links(CHINESE.replace("docs/servers.md", "docs/serving.md")) != links(ENGLISH)
    assert figures(CHINESE.replace("98.8", "98.9")) != figures(ENGLISH)
