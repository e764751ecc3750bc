"""One server for all clients: it offers the embedded model and a backend that calls tools."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from clients.serving import Serving
from clients.toolbackend import Backend, models


@pytest.fixture(scope="session")
def backend() -> Iterator[Backend]:
    """The backend of the model `tooled`."""
    with Backend() as backend:
        yield backend


@pytest.fixture(scope="session")
def serving(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """`system2 serve`; at the end its log must tell of no fault."""
    with Serving(tmp_path_factory.mktemp("serving"), models(backend.url)) as serving:
        yield serving
    assert not serving.faults()
