"""Is a reply the JSON that was asked for, and if not, what is wrong with it? Checked in a worker.

For the text that is shown; `schema` scores lines of thought.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

from system2.core import Fit, Format
from system2.verifiers.blank import Place, place
from system2.verifiers.schema import ADVICE, FENCE, LONGEST, SECONDS, check
from system2.verifiers.verdicts import ready
from system2.verifiers.worker import worker


@dataclass(frozen=True, slots=True)
class JsonForm:
    """JSON that satisfies `schema` (as text).

    place  where a plain answer belongs, if there is one place
    fills  replies are plain answers: each is put there before it is looked at
    """

    schema: str
    place: Place | None
    fills: bool = False
    seconds: float = SECONDS

    async def fit(self, text: str) -> Fit:
        """The text without a fence around it, or what is wrong with it, in a sentence.

        Raises TimeoutError where a check takes longer than its deadline.
        """
        if len(text) > LONGEST:
            return Fit(None, f"it has {len(text):,} characters, more than {LONGEST:,}")
        if self.fills:
            text = self.filled(text) or text
        fenced = FENCE.fullmatch(text)
        bare = (fenced["text"] if fenced else text).strip()
        question = {
            "text": bare, "schema": json.loads(self.schema), "seconds": self.seconds, "why": True,
        }  # fmt: skip
        said = await worker("validation.py").ask(question, self.seconds)
        if said is None:
            raise TimeoutError(
                f"whether the reply satisfies the schema could not be told in {self.seconds:g} seconds"
            )
        return Fit(None, said) if said else Fit(bare)

    def filled(self, answer: str) -> str | None:
        """The JSON with this answer in its one place; None: there is none, or it is of another type."""
        return self.place and self.place.filled(answer)


def json_form(format: Format, *, fills: bool = False, seconds: float = SECONDS) -> JsonForm:
    """What a format asks for: any object, or what its schema says.

    Raises ImportError where `jsonschema` is not installed; ValueError for what is no schema, or
    refers to one outside itself.
    """
    ready("jsonschema", ADVICE, seconds)
    schema = format.schema or '{"type":"object"}'
    sound(schema)
    return JsonForm(schema, place(schema), fills, seconds)


@lru_cache(maxsize=64)
def sound(schema: str) -> None:
    """Raises ValueError for what is no schema. Once for each: a request of many answers asks as often."""
    try:
        check(json.loads(schema))
    except RecursionError as error:
        raise ValueError("this schema is nested too deeply to be checked") from error
