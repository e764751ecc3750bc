"""KV memory in blocks of 32 positions and the tree of token prefixes they hold. Knows nothing about the model.

A block is shared while its tokens are the same; a row that leaves it half way takes a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from system2.policies.local.weights import PANEL


class Block:
    """32 positions of KV memory; `places` are the tree's vertices whose keys and values it holds."""

    __slots__ = ("id", "places", "users")

    def __init__(self, id: int) -> None:
        self.id, self.users = id, 0
        self.places: list[Place] = []


class Place:
    """A prefix: the path from the root spells its tokens. `holders` have its last position."""

    __slots__ = ("children", "holders", "parent", "token")

    def __init__(self, parent: Place | None, token: int) -> None:
        self.parent, self.token = parent, token
        self.children: dict[int, Place] = {}
        self.holders: dict[Block, None] = {}


class Table:
    """The blocks of one row and how many of its tokens they hold."""

    __slots__ = ("blocks", "length", "place")

    def __init__(self, root: Place) -> None:
        self.blocks: list[Block] = []
        self.length, self.place = 0, root


class Blocks:
    """`count` blocks: free, used by rows, or idle (kept for later rows, least recently used first)."""

    def __init__(self, count: int, copy: Callable[[int, int], object]) -> None:
        self.count, self._copy = count, copy
        self._root = Place(None, -1)
        self._free = [Block(i) for i in reversed(range(count))]
        self._idle: dict[Block, None] = {}

    @property
    def used(self) -> int:
        """Blocks that rows hold now."""
        return self.count - len(self._free) - len(self._idle)

    @property
    def kept(self) -> int:
        """Blocks no row holds whose contents later rows may share."""
        return len(self._idle)

    @property
    def room(self) -> int:
        """Blocks a row could get."""
        return len(self._free) + len(self._idle)

    def known(self, tokens: Sequence[int]) -> int:
        """How many leading tokens need not be computed."""
        place, length = self._root, 0
        for token in tokens:
            child = place.children.get(token)
            if child is None or not child.holders:
                break
            place, length = child, length + 1
        return length

    def open(self, tokens: Sequence[int]) -> Table | None:
        """A table that shares what is known of `tokens`; None if memory is short."""
        table = Table(self._root)
        for token in tokens:
            child = table.place.children.get(token)
            if child is None or not child.holders:
                break
            table.place, table.length = child, table.length + 1
            if table.length % PANEL == 0:
                table.blocks.append(self._pin(child))
        if table.length % PANEL == 0:
            return table
        # The last block is shared in part: its owner may write on, so this row gets a copy.
        source = self._pin(table.place)
        target = self._take()
        if target is not None:
            self._copy(source.id, target.id)
            table.blocks.append(target)
            target.places = source.places[: table.length % PANEL]
            for place in target.places:
                place.holders[target] = None
        self._unpin(source)
        if target is None:
            self.close(table)
            return None
        return table

    def reserve(self, table: Table, length: int) -> bool:
        """Add blocks until `length` positions have room; False, and as many as there were, if not."""
        while len(table.blocks) * PANEL < length:
            block = self._take()
            if block is None:
                return False
            table.blocks.append(block)
        return True

    def extend(self, table: Table, tokens: Sequence[int]) -> None:
        """Note that keys and values of the next `tokens` have been computed into the table."""
        for token in tokens:
            block = table.blocks[table.length // PANEL]
            place = table.place.children.get(token)
            if place is None:
                place = table.place.children[token] = Place(table.place, token)
            place.holders[block] = None
            block.places.append(place)
            table.place, table.length = place, table.length + 1

    def close(self, table: Table) -> None:
        """Give the row's blocks back; the deepest become the oldest, so that leaves go first."""
        for block in reversed(table.blocks):
            self._unpin(block)
        table.blocks = []

    def _pin(self, place: Place) -> Block:
        block = next(iter(place.holders))
        self._idle.pop(block, None)
        block.users += 1
        return block

    def _unpin(self, block: Block) -> None:
        block.users -= 1
        if block.users == 0:
            if block.places:
                self._idle[block] = None
            else:
                self._free.append(block)

    def _take(self) -> Block | None:
        if not self._free and self._idle:
            self._forget(next(iter(self._idle)))
        if not self._free:
            return None
        block = self._free.pop()
        block.users = 1
        return block

    def _forget(self, block: Block) -> None:
        del self._idle[block]
        for place in reversed(block.places):
            del place.holders[block]
            while place.parent is not None and not place.holders and not place.children:
                del place.parent.children[place.token]
                place = place.parent
        block.places = []
        self._free.append(block)
