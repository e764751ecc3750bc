"""A killed run goes on to the very weights it would have had. Minutes: `make test-slow`."""

import os
import signal
import subprocess
import sys

import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.slow

SCRIPT = """
import sys
from pathlib import Path
from system2.training.sft import Recipe, train
if __name__ == "__main__":
    recipe = Recipe(updates=12, short_rows=2, long_rows=2, processes=1, save_every=4, test_every=100)
    train(Path(sys.argv[1]), recipe)
"""


def test_resume(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(SCRIPT)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    subprocess.run([sys.executable, script, whole], check=True)
    process = subprocess.Popen([sys.executable, script, broken], start_new_session=True)
    while not (broken / "checkpoint.pt").exists():
        if process.poll() is not None:
            raise AssertionError("the run ended before its first checkpoint")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    subprocess.run([sys.executable, script, broken], check=True)
    weights = [(d / "model.safetensors").read_bytes() for d in (whole, broken)]
    assert weights[0] == weights[1]
