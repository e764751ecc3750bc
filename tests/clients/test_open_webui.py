"""Open WebUI: the requests that it makes, as it makes them; and itself, where it is installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clients.asking import ask
from clients.pages import PAGES, SHOWN, run
from clients.serving import Serving

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
WEATHER = {
    "name": "weather",
    "description": "How the weather is.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string", "default": ""}}},
}
TOOLS = [{"type": "function", "function": WEATHER}]
ASKED: dict[str, Any] = {"role": "user", "content": "How is the weather in Paris?"}


def told(serving: Serving, path: str, body: Any) -> Any:
    """The reply to a body; of a stream its events."""
    answer = ask(serving, "POST", path, json.dumps(body).encode())
    assert answer.status == 200, answer
    if not body.get("stream"):
        return answer.json
    lines = [one[6:] for one in answer.body.decode().splitlines() if one.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


def test_a_title_is_asked_for_before_the_answer(serving: Serving):
    body = {"model": "tooled", "messages": [ASKED], "stream": False, "max_tokens": 1000}
    assert told(serving, CHAT, body)["choices"][0]["message"]["content"]


@pytest.mark.parametrize("model", ["system2-mini", "tooled"])
def test_tools_come_with_every_chat(serving: Serving, model: str):
    asked = {"role": "user", "content": "What is 17 * 23?"}
    chunks = told(
        serving, CHAT, {"stream": True, "model": model, "messages": [asked], "tools": TOOLS}
    )
    deltas = [one["choices"][0]["delta"] for one in chunks if one["choices"]]
    if model == "system2-mini":  # which calls none
        assert "".join(one.get("content") or "" for one in deltas) == "391"
        first = next(n for n, one in enumerate(deltas) if one.get("content"))
        thoughts = [n for n, one in enumerate(deltas) if one.get("reasoning_content")]
        assert thoughts and max(thoughts) < first  # it stops its clock at the first content
        return
    (call,) = [one for delta in deltas for one in delta.get("tool_calls", ()) if one.get("id")]
    made = {"id": call["id"], "type": "function", "index": 0, "function": {"name": "weather", "arguments": "{}"}}  # fmt: skip
    back = [
        asked,
        {"role": "assistant", "content": "", "tool_calls": [made]},
        {"role": "tool", "tool_call_id": call["id"], "content": "Rain in Paris."},
    ]
    chunks = told(serving, CHAT, {"stream": True, "model": model, "messages": back, "tools": TOOLS})
    said = [one["choices"][0]["delta"].get("content") or "" for one in chunks if one["choices"]]
    assert "".join(said) == "Rain in Paris."


def test_a_connection_of_the_type_responses(serving: Serving):
    text = {"type": "input_text", "text": ASKED["content"]}
    asked = {"type": "message", "role": "user", "content": [text]}
    tools = [{"type": "function", **WEATHER}]
    events = told(serving, RESPONSES, {"stream": True, "model": "tooled", "tools": tools, "input": [asked]})  # fmt: skip
    (call,) = [one for one in events[-1]["response"]["output"] if one["type"] == "function_call"]
    made = {name: call[name] for name in ("type", "call_id", "name", "arguments")}
    result = {
        "type": "function_call_output",
        "call_id": call["call_id"],
        "output": "Rain in Paris.",
    }
    back = {"stream": True, "model": "tooled", "tools": tools, "input": [asked, made, result]}
    said = [one["delta"] for one in told(serving, RESPONSES, back) if one["type"] == "response.output_text.delta"]  # fmt: skip
    assert "".join(said) == "Rain in Paris."


def test_the_page_without_the_program(serving: Serving, tmp_path: Path):
    assert "open-webui serve" in SHOWN
    run("open-webui.md", serving, tmp_path)


# ---------------------------------------------------------------- itself


@pytest.fixture
def webui(serving: Serving, tmp_path: Path) -> Iterator[str]:
    """Open WebUI, begun as its page says; where it is."""
    program = os.environ.get("OPEN_WEBUI") or shutil.which("open-webui")
    if program is None:
        pytest.skip("open-webui is not installed, and OPEN_WEBUI does not say where it is")
    page = (
        (PAGES / "open-webui.md").read_text("utf-8").replace("http://127.0.0.1:8000", serving.root)
    )
    env = dict(re.findall(r"(\w+)=(\S+)", page))
    env |= {
        "DATA_DIR": str(tmp_path),
        "HOME": str(tmp_path),
        "WEBUI_AUTH": "False",
        "WEBUI_SECRET_KEY": "k",
    }
    env |= {
        "PATH": os.environ["PATH"],
        "OFFLINE_MODE": "True",
        "HF_HUB_OFFLINE": "1",
        "RAG_EMBEDDING_ENGINE": "openai",
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [program, "serve", "--host", "127.0.0.1", "--port", port]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=log, stderr=log)
    try:
        root = f"http://127.0.0.1:{port}"
        while not healthy(root):
            assert process.poll() is None, (tmp_path / "log").read_text("utf-8", "replace")[-3000:]
            time.sleep(0.5)
        yield root
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def healthy(root: str) -> bool:
    """Does it answer yet?"""
    try:
        return urllib.request.urlopen(f"{root}/health", timeout=5).status == 200
    except OSError:
        return False


def sent(root: str, path: str, body: Any, token: str = "") -> bytes:
    """What it answers."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(
        urllib.request.Request(root + path, data, headers), timeout=60
    ) as reply:
        return reply.read()


@pytest.mark.slow
def test_it_lists_the_models_and_chats(webui: str):
    signed = json.loads(sent(webui, "/api/v1/auths/signin", {"email": "", "password": ""}))
    token = signed["token"]
    models = json.loads(sent(webui, "/api/models", None, token))["data"]
    assert {"system2-mini", "tooled"} <= {one["id"] for one in models}
    asked = {"model": "system2-mini", "messages": [{"role": "user", "content": "What is 17 * 23?"}]}
    whole = json.loads(sent(webui, "/api/chat/completions", asked, token))
    assert whole["choices"][0]["message"]["content"] == "391"
    stream = sent(webui, "/api/chat/completions", asked | {"stream": True}, token).decode()
    chunks = [json.loads(one[6:]) for one in stream.splitlines() if one.startswith("data: {")]
    deltas = [one["choices"][0]["delta"] for one in chunks if one.get("choices")]
    assert "".join(one.get("content") or "" for one in deltas) == "391"
    assert any(one.get("reasoning_content") for one in deltas)
