"""A judge without a model: words and phrases by category, found in one pass over the text. Knows no context.

Its limits are plain: it sees wording, not meaning. It misses what is paraphrased or misspelt, and flags a text that
only quotes or warns. It is a backstop where there is no classifier, not a replacement for one.
"""

from __future__ import annotations

import unicodedata
from collections import deque
from collections.abc import Mapping, Sequence

from system2.core import Write
from system2.sidecars.moderation import Judgement, unlent

DEFAULT: Mapping[str, Sequence[str]] = {
    "harassment": ("you are worthless", "nobody likes you", "你这个废物", "du bist wertlos"),
    "harassment/threatening": (
        "i will kill you", "i will find you and hurt you", "我要杀了你", "ich bringe dich um",
    ),
    "hate": ("are subhuman", "are vermin", "都是劣等民族", "sind untermenschen"),
    "hate/threatening": ("exterminate them all", "should all be killed", "应该全部杀光", "gehören vergast"),
    "illicit": (
        "how to cook meth", "synthesize methamphetamine", "how to launder money", "如何制造冰毒",
        "wie man geld wäscht",
    ),
    "illicit/violent": (
        "how to build a bomb", "how to make a bomb", "build a pipe bomb", "synthesize nerve agent",
        "如何制造炸弹", "wie man eine bombe baut",
    ),
    "self-harm": ("cutting myself", "割腕", "ritze mich"),
    "self-harm/intent": ("i want to kill myself", "i want to die", "我想自杀", "ich will mich umbringen"),
    "self-harm/instructions": (
        "how to kill yourself", "best way to kill yourself", "kill yourself", "如何自杀", "bring dich um",
    ),
    "sexual": ("hardcore porn", "explicit sex scene", "色情小说", "pornografische szene"),
    "sexual/minors": ("child porn", "child pornography", "儿童色情", "kinderpornografie"),
    "violence": ("beat him to death", "stab her to death", "把他打死", "prügelte ihn tot"),
    "violence/graphic": ("his guts spilled out", "severed head", "肠子流了出来", "abgetrennter kopf"),
}  # fmt: skip
"""A few unmistakable phrases in English, Chinese and German: an example. Bring your own list."""


class Blocklist:
    """Finds phrases in time linear in the text, however many there are (Aho and Corasick 1975).

    Case, width, accents' spelling, blanks, punctuation and invisible characters make no difference. In scripts that
    put blanks between words a phrase counts only as whole words. A score is 1 where a phrase was found, else 0.

    Raises ValueError for an unknown category, and for a phrase without letters or digits.
    """

    tokens = 0

    def __init__(self, phrases: Mapping[str, Sequence[str]] = DEFAULT) -> None:
        Judgement.of(dict.fromkeys(phrases, 1.0))
        self._next: list[dict[str, int]] = [{}]
        self._found: list[frozenset[str]] = [frozenset()]
        self._fail: list[int] = [0]
        for category, several in phrases.items():
            for phrase in several:
                self._add(category, phrase)
        self._link()

    async def judge(self, texts: Sequence[str], write: Write = unlent) -> list[Judgement]:
        """One judgement a text, in order."""
        return [Judgement.of(dict.fromkeys(self.found(text), 1.0)) for text in texts]

    def found(self, text: str) -> frozenset[str]:
        """The categories of which a phrase stands in the text."""
        found: set[str] = set()
        state = 0
        for c in folded(text):
            while state and c not in self._next[state]:
                state = self._fail[state]
            state = self._next[state].get(c, 0)
            found |= self._found[state]
        return frozenset(found)

    def _add(self, category: str, phrase: str) -> None:
        name = folded(phrase)
        if unspaced(name[1:2] or " "):
            name = name[1:]
        if not name.strip():
            raise ValueError(f"{category}: {phrase!r} holds no letters or digits; leave it out")
        state = 0
        for c in name:
            if c not in self._next[state]:
                self._next[state][c] = len(self._next)
                self._next.append({})
                self._found.append(frozenset())
                self._fail.append(0)
            state = self._next[state][c]
        self._found[state] |= {category}

    def _link(self) -> None:
        """Where to go on when the next character does not fit: the longest end that begins a phrase."""
        line = deque(self._next[0].values())
        while line:
            state = line.popleft()
            for c, after in self._next[state].items():
                line.append(after)
                back = self._fail[state]
                while back and c not in self._next[back]:
                    back = self._fail[back]
                self._fail[after] = self._next[back].get(c, 0)
                self._found[after] |= self._found[self._fail[after]]


def folded(text: str) -> str:
    """Words in one spelling, a blank between any two and at both ends; none within Chinese and its like."""
    words: list[str] = [" "]
    for c in unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()):
        if unicodedata.category(c)[0] in "LMN":
            if unspaced(c) != unspaced(words[-1]) and words[-1] != " ":
                words.append(" ")
            words.append(c)
        elif unicodedata.category(c) == "Cf":
            continue
        elif words[-1] != " " and not unspaced(words[-1]):
            words.append(" ")
    if words[-1] != " " and not unspaced(words[-1]):
        words.append(" ")
    return "".join(words)


def unspaced(c: str) -> bool:
    """Is this a character of a script that puts no blanks between words?"""
    return (
        "\u0e00" <= c <= "\u0eff"
        or "\u3040" <= c <= "\u30ff"
        or "\u3400" <= c <= "\u9fff"
        or c >= "\U00020000"
    )
