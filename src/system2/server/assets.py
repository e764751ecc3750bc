"""The page's files, from the package, under a strict policy: nothing from elsewhere, nothing inline."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from system2.server.errors import ApiError

HOME = Path(__file__).parent / "page"
POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
GUARDS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
EVER = "public, max-age=31536000, immutable"  # a file's name holds its hash


async def page(request: Request) -> Response:
    """The page itself, asked for anew each time."""
    return FileResponse(HOME / "index.html", headers={**GUARDS, "Cache-Control": "no-cache"})


async def asset(request: Request) -> Response:
    """One of the page's files, kept for ever."""
    name = request.path_params["name"]
    if name not in {path.name for path in (HOME / "assets").glob("*")}:
        raise ApiError(404, f"The page has no file '{name[:80]}'; reload the page.")
    return FileResponse(HOME / "assets" / name, headers={**GUARDS, "Cache-Control": EVER})


ROUTES = [
    Route("/", page, methods=["GET"]),
    Route("/assets/{name}", asset, methods=["GET"]),
]
