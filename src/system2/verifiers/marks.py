"""What two texts must agree on before their meaning is compared: numbers, signs, names, negations, opposites.

No embedding sees these: "12" and "13", "sorted" and "not sorted" lie side by side in each. Pure; knows
English and Chinese, and numbers and signs of any script.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache

from system2.verifiers.number import plain

LEAST = 3  # words; a text of fewer is compared by what it reads

_SPELT = {
    "\\times": "*", "\\cdot": "*", "\\div": "/", "\\leq": "≤", "\\geq": "≥", "\\neq": "≠",
    "\\le": "≤", "\\ge": "≥", "\\ne": "≠",
    "×": "*", "·": "*", "÷": "/", "−": "-", "⁄": "/", "’": "'", "**": "", "`": "", "$": "",
}  # fmt: skip
_ENGLISH = [
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]
_CHINESE = "二三四五六七八九十"
_COUNTED = {
    "两": "2",
    **{word: str(n) for n, word in enumerate(_ENGLISH, 2)},
    **{word: str(n) for n, word in enumerate(_CHINESE, 2)},
}
# Not counted: one, which is also an article, and numerals that are part of another word.
_IDIOM = re.compile("三角|四边|十分|千万|万一|百分|四周|三思")
_NUMBER = re.compile(
    rf"\d+(?:[.,:/]\d+)*\s*%?|\b(?:{'|'.join(_ENGLISH)})\b|[{_CHINESE}两百千万亿]+"
)
_SIGN = re.compile(r"[+*/=<>≤≥≠^]|(?<=[\w)\]}])\s+-\s+(?=\S)|-(?=\d)")
_NAME = re.compile(
    r"(?<![\w'’\\])(?:[B-HJ-Zb-hj-z](?![\w'])|A(?=(?:'s)? (?:is|are|and|or|says?|said|has|was|lies)\b))"
    r"|(?<=[^.!?]\s)A(?!\w)|[甲乙丙丁戊]"
)
_NOT = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|neither|nor|without|cannot)\b|n't\b"
    r"|不(?!过|仅|但|断)|没|无(?!论|数)|非(?!常)|未(?!知|来)"
)
_OPPOSITES = (
    ("increas|grow|rises|rising|higher|升|增", "decreas|shrink|falls|falling|lower|降|减"),
    ("larger|bigger|greater|more|taller|longer|older|大|多|高|长", "smaller|less|fewer|shorter|younger|小|少|低|短"),
    ("maxim|largest|most|最大|最多", "minim|smallest|least|最小|最少"),
    ("true|correct|right|valid|真|正确|对的", "false|incorrect|wrong|invalid|假|错"),
    ("possible|可能", "impossible|不可能"),
    ("even|偶", "odd|奇"),
    ("knight|骑士", "knave|无赖"),
    ("left|左", "right|右"),
    ("before|之前|以前", "after|之后|以后"),
    ("first|第一", "last|最后"),
    ("above|inside|上面|里面", "below|outside|下面|外面"),
    ("positive|正数", "negative|负数"),
    ("add|plus|加", "subtract|minus|减"),
    ("multipl|乘", "divid|除"),
    ("always|总是", "sometimes|有时"),
    ("all|every|所有|全部", "some|有些|部分"),
    ("yes|是的", "no|不是"),
)  # fmt: skip


def _words(side: str) -> re.Pattern[str]:
    """English words from their beginning, Chinese ones anywhere."""
    parts = side.split("|")
    latin = "|".join(part for part in parts if part[0].isascii())
    other = "|".join(part for part in parts if not part[0].isascii())
    return re.compile(rf"\b(?:{latin})" + (f"|{other}" if other else ""))


_SIDES = [(_words(one), _words(other)) for one, other in _OPPOSITES]
_TONGUES = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"  # written without blanks
_WORD = re.compile(rf"[^\W\d_{_TONGUES}]{{2,}}|[{_TONGUES}]{{2}}")
_COMMAND = re.compile(r"\\[A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Marks:
    """What a text says that has to be the same, each in the order of the text.

    negations is a count.
    """

    numbers: tuple[Hashable, ...]
    signs: str
    names: tuple[str, ...]
    negations: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A text, read once.

    plain    without blanks, case and signs at its end: texts that agree in it say the same
    wordy    has it words enough for an embedding to know what it says?
    bag      its letters and digits, sorted
    one, other   the opposites it names, a bit each
    """

    plain: str
    wordy: bool
    marks: Marks
    bag: str
    one: int
    other: int

    def against(self, other: Reading) -> bool:
        """Do these contradict each other, though their marks agree?

        One names an opposite where the other names its counterpart alone, or both are made of the
        same letters in another order: who is taller than whom has been swapped.
        """
        if self.bag == other.bag and self.plain != other.plain:
            return True
        mine, theirs = self.one & ~self.other, self.other & ~self.one
        return bool(mine & (other.other & ~other.one) | theirs & (other.one & ~other.other))


@lru_cache(4096)
def read(text: str) -> Reading:
    """The marks of a text. Takes time by its length: give it no more than a paragraph."""
    text = unicodedata.normalize("NFKC", text)
    for sign, ours in _SPELT.items():
        text = text.replace(sign, ours)
    names = tuple(found[0] for found in _NAME.finditer(text))
    text = text.casefold()
    counted = _IDIOM.sub(" ", text)
    marks = Marks(
        numbers=tuple(_number(found[0]) for found in _NUMBER.finditer(counted)),
        signs="".join(found[0].strip() for found in _SIGN.finditer(text)),
        names=names,
        negations=len(_NOT.findall(text)),
    )
    plain_text = " ".join(text.split()).strip(" .!?,;:。！？，；：")
    one = sum(bool(pair[0].search(text)) << n for n, pair in enumerate(_SIDES))
    other = sum(bool(pair[1].search(text)) << n for n, pair in enumerate(_SIDES))
    wordy = len(_WORD.findall(_COMMAND.sub(" ", text))) >= LEAST
    bag = "".join(sorted(c for c in text if c.isalnum()))
    return Reading(plain_text, wordy, marks, bag, one, other)


def _number(text: str) -> Hashable:
    text = _COUNTED.get(text, text).replace(" ", "")
    value = plain(text)
    return text if value is None else value
