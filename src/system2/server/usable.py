"""Can what was set work at all? Looked at before anything listens: models, routes, languages, the folder of traces."""

from __future__ import annotations

import os
from collections.abc import Sequence
from urllib.parse import urlsplit

from system2.effort import EFFORTS
from system2.options import is_url
from system2.policies.local.weights import WeightsError
from system2.server.served import Served
from system2.sidecars import language as languages
from system2.sidecars import plain_summary, summary
from system2.solve import chosen
from system2.store import folder


def usable(served: Sequence[Served]) -> None:
    """Load what the models name: weights, routes. Raises ValueError, OSError in a sentence."""
    for one in served:
        addressed(one)
        spoken(one)
        loaded(one)


def addressed(one: Served) -> None:
    """Raises ValueError where the name or the address is none."""
    if not one.name.strip() or not one.name.isprintable():
        raise ValueError(
            f"{one.place}: {one.name!r} is no name for a model; give some characters that can be seen"
        )
    if is_url(url := one.options.get("model", "")):
        try:
            parts = urlsplit(url)
            fine = bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            fine = False
        if not fine:
            raise ValueError(
                f"{one.place}: {one.backend} is no address of a server; expected one such as "
                "http://localhost:8000/v1"
            )
    elif "model_name" in one.options:
        raise ValueError(
            f"{one.place}: model_name is for a server's model; give its address as model, such as "
            "http://localhost:8000/v1"
        )


def spoken(one: Served) -> None:
    """Raises ValueError where summaries cannot be written in the language that is set."""
    try:
        tag = languages.chosen(one.language)
        _ = plain_summary(tag) if one.local else summary(tag)
    except ValueError as error:
        named = "--language" if one.place == "serve" else f"{one.place}: language"
        raise ValueError(f"{named}: {error}") from error


def loaded(one: Served) -> None:
    """Weights and routes, as the first request would load them. Raises ValueError, OSError."""
    routes = one.options.get("routes")
    try:
        one.policy(one.options)
        if routes is not None:
            chosen(one.options, EFFORTS[one.effort], None)
    except FileNotFoundError as error:
        raise ValueError(
            f"{one.place}: routes {routes!r}: there is no such file; `system2 routes` writes one"
        ) from error
    except (ValueError, WeightsError) as error:
        raise ValueError(f"{one.place}: {error}") from error
    except OSError as error:
        raise OSError(
            f"{one.place}: routes {routes!r} cannot be read ({error.strerror or error}); give a file that "
            "`system2 routes` wrote"
        ) from error


def writable() -> None:
    """The folder of the traces is made, and may be written. Raises OSError in a sentence."""
    place, trouble = folder(), ""
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not os.access(place, os.W_OK | os.X_OK):
            trouble = "Permission denied"
    except OSError as error:
        trouble = error.strerror or str(error)
    if trouble:
        raise OSError(
            f"the traces of runs cannot be kept in {place} ({trouble}); give another folder as "
            "$XDG_DATA_HOME"
        )
