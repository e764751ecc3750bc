"""Is an answer JSON that satisfies a schema? Checked in a worker, since a pattern may take for ever.

Fetches nothing: what a schema refers to has to be in it.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from system2.core import Chain, Problem, Write
from system2.verifiers.verdicts import Known, ready, verdicts
from system2.verifiers.worker import worker

SECONDS = 3.0  # that a check may take
LONGEST = 1_000_000  # characters of an answer that is read
ADVICE = "checking JSON needs jsonschema; install it with `pip install 'system2[json]'`"
FENCE = re.compile(r"\s*```[^\n`]*\n(?P<text>.*?)\n?```\s*", re.DOTALL)


@dataclass(slots=True)
class Schema:
    """Scores 1.0 where the chain's answer is JSON that satisfies `schema` (as text), else 0.0."""

    schema: str
    seconds: float = SECONDS
    known: Known = field(default_factory=dict[str, bool])

    async def score(
        self, problem: Problem, chains: Sequence[Chain], write: Write
    ) -> list[float | None]:
        """1.0 or 0.0; None without an answer yet, or where it is too long, deep or slow to check."""
        return await verdicts(chains, self.known, self.valid, self.seconds)

    async def valid(self, answer: str) -> bool | None:
        """Does the answer satisfy the schema? It may stand in a fence of its own."""
        if len(answer) > LONGEST:
            return None
        fenced = FENCE.fullmatch(answer)
        question = {
            "text": fenced["text"] if fenced else answer,
            "schema": json.loads(self.schema),
            "seconds": self.seconds,
        }
        return await worker("validation.py").ask(question, self.seconds)


def json_schema(schema: Mapping[str, Any] | bool, *, seconds: float = SECONDS) -> Schema:
    """Right is JSON that satisfies the schema, in a fence of its own or bare.

    Raises ImportError where `jsonschema` is not installed; ValueError for what is no schema, or
    refers to one outside itself.
    """
    ready("jsonschema", ADVICE, seconds)
    try:
        text = json.dumps(schema, allow_nan=False)
        check(json.loads(text))
    except RecursionError as error:
        raise ValueError("this schema is nested too deeply to be checked") from error
    except TypeError as error:
        raise ValueError(f"this schema cannot be written as JSON ({error})") from error
    return Schema(text, seconds)


def check(schema: Any) -> None:
    """Raises ValueError for what is no schema, or refers to one outside itself."""
    library: Any = importlib.import_module("jsonschema")
    referencing: Any = importlib.import_module("referencing")
    drafts: Any = importlib.import_module("jsonschema_specifications")
    if not isinstance(schema, bool | dict):
        raise ValueError(
            f"a JSON schema is an object, true or false; {json.dumps(schema)[:40]} was given"
        )
    draft = library.Draft202012Validator
    if isinstance(schema, dict) and "$schema" in schema:
        known = isinstance(schema["$schema"], str)
        draft = library.validators.validator_for(schema, default=None) if known else None
    if draft is None:
        raise ValueError("the schema's $schema names no draft of JSON Schema that is known")
    try:
        draft.check_schema(schema)
    except library.SchemaError as error:
        raise ValueError(
            f"this is not a JSON schema: {error.message[:200]} (at {error.json_path})"
        ) from error
    resource = referencing.Resource.from_contents(
        schema, referencing.jsonschema.specification_with(draft.META_SCHEMA["$schema"])
    )
    _resolve(resource, drafts.REGISTRY.resolver_with_root(resource), referencing)


def _resolve(resource: Any, resolver: Any, referencing: Any) -> None:
    """Look up every reference, here and below."""
    contents: Any = resource.contents
    for word in ("$ref", "$dynamicRef"):
        name = None if isinstance(contents, bool) else contents.get(word)
        if not isinstance(name, str):
            continue
        try:
            resolver.lookup(name)
        except (referencing.exceptions.Unresolvable, LookupError, ValueError) as error:
            raise ValueError(
                f"the schema refers to {name[:200]!r}, which is not in it and is not fetched; "
                'put it under "$defs"'
            ) from error
    for below in resource.subresources():
        _resolve(below, resolver.in_subresource(below), referencing)
