"""Lists a page at a time, the same at every endpoint: what a query asks for, and what a page looks like."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from system2.server.data.rows import Order
from system2.server.errors import invalid

MOST = 100  # of one page


def paging(
    request: Request, *, order: Order = "desc", most: int = MOST, default: int = 20
) -> tuple[str | None, int, Order]:
    """`after`, `limit` and `order` of a query. Raises ApiError 400."""
    query = request.query_params
    given, wanted = query.get("limit", str(default)), query.get("order", order)
    if not (given.isascii() and given.isdigit() and len(given) < 9 and 1 <= int(given) <= most):
        raise invalid(
            f"Invalid value: {given[:40]!r}. Expected a whole number from 1 to {most}.", "limit"
        )
    if wanted not in ("asc", "desc"):
        raise invalid("'order' is 'asc' or 'desc'.", "order")
    return query.get("after"), int(given), "asc" if wanted == "asc" else "desc"


def paged(rows: list[dict[str, Any]], more: bool) -> dict[str, Any]:
    """A page of a list. One without entries has no first and last: null would be against the schema."""
    body: dict[str, Any] = {"object": "list", "data": rows, "has_more": more}
    return body | ({"first_id": rows[0]["id"], "last_id": rows[-1]["id"]} if rows else {})
