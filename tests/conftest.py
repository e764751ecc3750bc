"""What holds for every test: no network but loopback, nobody's own folders and keys, no deadlines."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("policies.hearing", "tasks.arithmetic_traces")
settings.register_profile("house", deadline=None)  # the machine may be busy
settings.load_profile("house")


def loopback(host: Any) -> bool:
    """Is it this machine?"""
    name = host.decode() if isinstance(host, bytes) else str(host)
    try:
        return ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return name in ("", "localhost")


def guard(event: str, args: tuple[Any, ...]) -> None:
    """An audit hook: sockets reach no further than this machine."""
    if event in ("socket.connect", "socket.sendto") and isinstance(args[1], tuple):
        host = args[1][0]
    elif event == "socket.getaddrinfo" and args[0] is not None:
        host = args[0]
    else:
        return
    if not loopback(host):
        raise RuntimeError(f"a test tried to reach {host}; tests have no network but 127.0.0.1")


sys.addaudithook(guard)


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Traces and price lists lie in a folder of their own; no key, no proxy."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        for name in list(os.environ):
            if name.startswith("OPENAI_") or name.lower().endswith("_proxy"):
                patch.delenv(name)
        yield
