"""How plans ask. Knows nothing about where to look."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from system2.core import Ask, Done, Node


def all_of(asks: Sequence[Ask]) -> Generator[list[Ask], list[Done], list[Node]]:
    """Ask for everything, wait for everything; nothing else may be in flight.

    Returns the nodes in the order of the asks, whatever order the replies came in, so that a
    plan does not favour what is short. A node met twice is there twice; a failed ask brings none.
    """
    if not asks:
        return []
    place: dict[Ask, int] = {}
    for ask in asks:
        place.setdefault(ask, len(place))
    done = list((yield list(asks)))
    while len(done) < len(asks):
        done.extend((yield []))
    done.sort(key=lambda d: place[d.ask])
    return [node for d in done for node in d.nodes]
