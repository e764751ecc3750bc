"""Which models are offered, and what each is: a backend, an effort, a profile, a price. Starts nothing."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast, get_args

from system2.core import FREE, Budget, CallFailed, Meter, Policy, Price, Problem, Request
from system2.effort import DEFAULT, EFFORTS
from system2.options import Options, embedded, is_url, priced
from system2.policies.failures import public
from system2.policies.upstream import Upstream
from system2.prices import price as price_of
from system2.server.errors import ApiError
from system2.server.wire.wanted import VISIBILITIES, Visibility
from system2.solve import policy_of

Profile = Literal["compat", "o1", "o1-preview"]
PROFILES: tuple[Profile, ...] = get_args(Profile)
MARGIN = 1.5  # seconds before a client's own deadline at which it is answered
KNOWN = frozenset({
    "name", "model", "model_name", "key_env", "price", "effort", "profile", "visibility", "language", "at_once",
    "per_call", "routes", "summaries", "moderation",
})  # fmt: skip


@dataclass(slots=True)
class Served:
    """A model as it is offered.

    options     what `solve` is told of the backend: model, model_name, key, price, at_once, per_call, routes
    effort      where a request names none
    visibility  the most of its thoughts that is shown where a request does not ask
    summaries   write summaries: by the backend itself, or in plain words for the embedded model
    moderation  who looks at steps and replies: nobody, a list of words, or the backend itself
    meter       shared by all its searches: how many calls run at once
    """

    name: str
    options: Options
    effort: str = DEFAULT
    profile: Profile = "compat"
    visibility: Visibility = "summary"
    language: str | None = None
    summaries: bool = True
    moderation: Literal["", "words", "model"] = ""
    created: int = 1_795_000_000
    meter: Meter = field(default_factory=Meter)
    _policies: dict[bool | float, Policy] = field(default_factory=dict[bool | float, Policy])
    _upstream: Upstream | None = None

    def __post_init__(self) -> None:
        self.meter = Meter(Budget(calls=self.options.get("at_once", 64)))

    @property
    def local(self) -> bool:
        """Does our own decoder answer?"""
        return embedded(self.options)

    @property
    def price(self) -> Price | None:
        """Dollars per million tokens; None: unknown."""
        return self.options.get("price", FREE if self.local else None)

    @property
    def backend(self) -> str:
        """Where the model is, as it may be told to anybody."""
        model = self.options.get("model", "")
        return public(model) if is_url(model) else "embedded"

    def policy(self, options: Options) -> Policy:
        """The policy of these options: searches that sample alike share one, and its connections."""
        row = EFFORTS[options.get("effort", self.effort)]
        many = (options.get("samples") or row.samples) > 1 or "routes" in options
        name = (row.temperature or 0.7) if many else False
        if name not in self._policies:
            self._policies[name] = policy_of(options)
        return self._policies[name]

    def upstream(self) -> Upstream:
        """What a backend offers beside chat; its connections are kept. Not for the embedded model."""
        options = self.options
        if self._upstream is None:
            name, url = options.get("model_name", ""), options.get("model", "")
            self._upstream = Upstream(name, url, options.get("key"))
        return self._upstream

    def prompt_tokens(self, problem: Problem) -> int:
        """Tokens of the conversation: exactly, where the tokenizer is ours, else at most."""
        request = Request(problem, (), 1, "reply", 1, (0,))
        return self.policy(self.options).prompt_bound(request)

    def unreadable(self, problem: Problem) -> str:
        """Why our own decoder cannot read this question, in a sentence; empty: it can, or the backend says so."""
        if not self.local:
            return ""
        from system2.policies.local import LocalPolicy

        policy = self.policy(self.options)
        assert isinstance(policy, LocalPolicy)
        try:
            policy.prompt(problem, ())
        except CallFailed as failure:
            return str(failure)
        return ""

    async def aclose(self) -> None:
        """Close what it is connected to."""
        for policy in self._policies.values():
            if close := getattr(policy, "aclose", None):
                await close()
        if self._upstream:
            await self._upstream.aclose()


class Models:
    """All models that are offered. A name may carry an effort or a mode, as `NAME-high` and `NAME-pro`."""

    def __init__(self, served: Sequence[Served]) -> None:
        self.served = {one.name: one for one in served}

    def find(
        self, name: str | None, may: Callable[[str], bool] = lambda _: True
    ) -> tuple[Served, str | None]:
        """The model of that name, and the effort that the name carries. Raises ApiError 400, 404.

        may  who asks may use the model of this name; another is as good as none
        """
        found, carried = self.search(name)
        if not may(found.name):
            raise unknown(name or found.name)
        return found, carried

    def search(self, name: str | None) -> tuple[Served, str | None]:
        """The same, for whoever asks."""
        if name is None and len(self.served) == 1:
            return next(iter(self.served.values())), None
        if name is None:
            raise ApiError(
                400, "you must provide a model parameter", "missing_required_parameter", "model"
            )
        if name in self.served:
            return self.served[name], None
        stem, _, tail = name.rpartition("-")
        if stem in self.served and tail in EFFORTS:
            return self.served[stem], tail
        raise unknown(name)


def unknown(name: str) -> ApiError:
    """There is no such model, for whoever asks."""
    return ApiError(
        404,
        f"The model {name[:100]!r} does not exist or you do not have access to it.",
        "model_not_found",
        "model",
    )


def card(one: Served) -> dict[str, Any]:
    """The model as GET /v1/models lists it."""
    body: dict[str, Any] = {
        "id": one.name,
        "object": "model",
        "created": one.created,
        "owned_by": "system2",
        "system2": {
            "profile": one.profile,
            "efforts": [name for name in EFFORTS if name != "pro"],
            "default_effort": one.effort,
            "budgets": {name: row.tokens for name, row in EFFORTS.items()},
            "modes": ["standard", "pro"],
            "reasoning_visibility": one.visibility,
            "modalities": ["text"],
            "backend": one.backend,
        },
    }
    if price := one.price:
        million = 1_000_000
        cached = price.prompt if price.cached is None else price.cached
        body["pricing"] = {
            "prompt": f"{price.prompt / million:f}",
            "completion": f"{price.completion / million:f}",
            "cached_prompt": f"{cached / million:f}",
        }
    return body


def configured(path: Path, environment: Mapping[str, str]) -> list[Served]:
    """The models of a configuration: `[[model]]` tables in TOML; keys come from the environment by name.

    Raises ValueError, naming the table and the entry, OSError.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8")).get("model")
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path} is not a TOML file ({error})") from error
    if not isinstance(tables, list) or not tables:
        raise ValueError(f"{path} offers no model: it needs at least one table [[model]]")
    served = [
        offered(cast(dict[str, Any], table), f"{path}, model {n}", environment)
        for n, table in enumerate(cast(list[Any], tables), 1)
    ]
    if len({one.name for one in served}) < len(served):
        raise ValueError(f"{path} offers two models of the same name; give each a name of its own")
    return served


def offered(table: dict[str, Any], place: str, environment: Mapping[str, str]) -> Served:
    """One model of a configuration. Raises ValueError."""
    if odd := sorted({*table} - KNOWN):
        raise ValueError(f"{place}: unknown entry {odd[0]!r}; known are {', '.join(sorted(KNOWN))}")
    for entry in (
        "name",
        "model",
        "model_name",
        "key_env",
        "price",
        "effort",
        "language",
        "routes",
    ):
        if entry in table and not isinstance(table[entry], str):
            raise ValueError(f"{place}: {entry} must be text, {table[entry]!r} was given")
    options: dict[str, Any] = {
        entry: table[entry]
        for entry in ("model", "model_name", "at_once", "per_call", "routes")
        if entry in table
    }
    if "price" in table:
        options["price"] = priced(table["price"], f"{place}: price")
    elif (listed := price_of(table.get("model_name", ""))) is not None:
        options["price"] = listed
    if name := table.get("key_env"):
        if name not in environment:
            raise ValueError(f"{place}: the environment variable {name} (key_env) is not set")
        options["key"] = environment[name]
    made = Served(table.get("name") or table.get("model_name") or "system2", cast(Options, options))
    return ruled(
        replace_in(
            made,
            table,
            place,
            ("effort", "profile", "visibility", "language", "summaries", "moderation"),
        ),
        place,
    )


def replace_in(made: Served, table: dict[str, Any], place: str, names: Sequence[str]) -> Served:
    """The model with these entries of the table."""
    return replace(
        made, **{name: table[name] for name in names if name in table}, _policies={}, _upstream=None
    )


def ruled(made: Served, place: str) -> Served:
    """The model, once every choice in it is one there is. Raises ValueError."""
    for name, given, choices in (
        ("effort", made.effort, tuple(EFFORTS)),
        ("profile", made.profile, PROFILES),
        ("visibility", made.visibility, VISIBILITIES),
        ("moderation", made.moderation, ("", "words", "model")),
    ):
        if given not in choices:
            raise ValueError(f"{place}: {name} {given!r}; choose one of {', '.join(choices)}")
    if made.moderation == "model" and made.local:
        raise ValueError(f"{place}: the embedded model cannot moderate; choose words")
    if is_url(made.options.get("model", "")) and "model_name" not in made.options:
        raise ValueError(
            f"{place}: the server {made.backend} needs model_name, the name it knows the model by"
        )
    return made
