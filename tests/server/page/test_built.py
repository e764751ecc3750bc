"""The page that is shipped is the page that is written: built from these sources, small, with nothing from elsewhere."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path

import system2.server.assets

HOME = Path(__file__).parents[3] / "page"
BUILT = system2.server.assets.HOME
MADE_FROM = ("index.html", "package-lock.json", "package.json", "sources.ts", "src", "tsconfig.json", "vite.config.ts")  # fmt: skip
MOST = 600_000  # bytes of all files together, compressed


def test_the_built_page_is_up_to_date():
    paths = [
        path
        for name in MADE_FROM
        for path in ([HOME / name] if (HOME / name).is_file() else (HOME / name).rglob("*"))
        if path.is_file()
    ]
    names = sorted(path.relative_to(HOME).as_posix() for path in paths)
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode() + b"\0" + (HOME / name).read_bytes() + b"\0")
    assert digest.hexdigest() == (BUILT / "sources.sha256").read_text().strip(), (
        "the page was changed and not built: cd page && npm ci && npm run build"
    )


def test_the_built_page_is_small():
    files = [path for path in BUILT.rglob("*") if path.is_file()]
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) < MOST


def test_the_built_page_has_nothing_inline_and_nothing_from_elsewhere():
    text = (BUILT / "index.html").read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)", text) == []
    assert "<style" not in text
    assert set(re.findall(r'(?:src|href)="([^"]*)"', text)) == {
        "data:,",
        *(f"./assets/{path.name}" for path in (BUILT / "assets").glob("index-*")),
    }
    for path in (BUILT / "assets").glob("*.css"):
        style = path.read_text()
        assert "url(" not in style
        assert "@import" not in style
