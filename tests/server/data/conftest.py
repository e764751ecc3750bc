"""Every test that takes a `url` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from server.data.postgres import Server, programs, started


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A server of our own."""
    place = programs()
    if place is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    with started(place) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/accounts.db"
    server: Server = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture
def pepper(tmp_path: Path) -> Path:
    """Where the pepper of a test lies."""
    return tmp_path / "pepper"
