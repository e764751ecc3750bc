"""A key that is revoked holds no longer on a connection that was opened with it. A server of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from clients.serving import SOURCE, Serving
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect


def keys(folder: Path, *words: str) -> str:
    """What the server's own command says."""
    env = {**os.environ, "PYTHONPATH": SOURCE, "XDG_DATA_HOME": str(folder)}
    command = [sys.executable, "-m", "system2", "keys", *words]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


def test_a_revoked_key_is_let_go(tmp_path: Path):
    said = keys(tmp_path, "create", "mine", "--scope", "chat")
    secret = re.search(r"sk-s2-\w{40}", said)
    id = re.search(r"key_\w+", said + keys(tmp_path, "list"))
    assert secret and id, said
    door = {"Authorization": f"Bearer {secret[0]}"}
    with Serving(tmp_path, '[[model]]\nname = "system2-mini"\n', "--keys") as serving:
        where = f"ws://127.0.0.1:{serving.port}/v1/responses"
        with connect(where, additional_headers=door) as wire:
            assert "deflate" not in str(wire.response and wire.response.headers)
            wire.send('{"type": "nonsense"}')
            assert json.loads(wire.recv(30))["status"] == 400
            keys(tmp_path, "revoke", id[0])
            for _ in range(2_000):  # at once here; within seconds where another process revokes it
                wire.send('{"type": "nonsense"}')
                if (status := json.loads(wire.recv(30))["status"]) != 400:
                    break
                time.sleep(0.05)
            assert status == 401
            with pytest.raises(ConnectionClosed):
                wire.recv(30)
    assert not serving.faults()
