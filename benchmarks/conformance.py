"""The server against suites that others wrote: Open Responses, OpenAI's OpenAPI through Prism, schemathesis.

    python benchmarks/conformance.py [--openresponses FOLDER] [--openapi FILE] [--examples 15]

FOLDER is a checkout of the Open Responses repository in which `bun install` was run, FILE OpenAI's openapi.json
or .yaml; $OPENRESPONSES and $OPENAPI name them too. What is not there is skipped by name; nothing of it is copied.
`bun` and `prism` are taken from the path, else through npx.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from clients.serving import Serving  # noqa: E402
from clients.toolbackend import Backend, models  # noqa: E402

PRISM = "@stoplight/prism-cli@5.16.0"
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance"
)
# Their schema documents no errors, and takes what no server of its own has.
THEIRS = "not_a_server_error,content_type_conformance"
KNOWN = {("usage",): "usage is null until a response is over, as in OpenAI's own examples"}

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
NESTED: Any = [{"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}]
FLAT: Any = [{"type": "function", "name": "weather", "strict": True, "parameters": PARAMETERS}]
FORM: Any = {"type": "json_schema", "name": "place", "schema": PARAMETERS, "strict": True}
ASK: Any = [{"role": "user", "content": "What is 17 * 23?"}]
SUM = "What is 17 * 23?"


def command(name: str, package: str) -> list[str] | None:
    """How to start a tool of npm's; None: there is no way."""
    if found := shutil.which(name):
        return [found]
    npx = shutil.which("npx")
    return [npx, "--yes", "--package", package, name] if npx else None


def open_responses(serving: Serving, folder: Path) -> bool:
    """Their compliance tests; true where all passed."""
    bun = command("bun", "bun")
    if bun is None:
        return skipped("Open Responses", "neither bun nor npx is on the path")
    if not (folder / "node_modules" / "zod").exists():
        return skipped("Open Responses", f"run `bun install` in {folder} first")
    words = ["run", "bin/compliance-test.ts", "-u", serving.url, "-k", "sk-local", "-m", "tooled"]
    done = subprocess.run([*bun, *words, "--json"], cwd=folder, capture_output=True, text=True)
    try:
        results = json.loads(done.stdout)["results"]
    except ValueError:
        print(f"Open Responses did not run: {done.stderr[-2000:]}")
        return False
    failed = [one for one in results if one["status"] != "passed"]
    for one in failed:
        print(f"  {one['id']}: {one['status']}: {one.get('errors')}")
    print(f"Open Responses: {len(results) - len(failed)} of {len(results)} passed")
    return not failed and bool(results)


# -------------------------------------------------------------------- Prism


@contextmanager
def proxy(start: list[str], schema: Path, upstream: str) -> Iterator[str]:
    """Prism between client and server; where it is."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    words = ["proxy", str(schema), upstream, "--errors", "-p", str(port)]
    process = subprocess.Popen([*start, *words], stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 300
        while process.poll() is None and time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                time.sleep(0.5)
            else:
                yield f"http://127.0.0.1:{port}"
                return
        raise RuntimeError("prism did not start; see above")
    finally:
        process.terminate()
        process.wait(20)


def chats(client: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Calls of the chat API, named."""
    create = client.chat.completions.create
    yield "models", lambda: client.models.list()
    yield "a model", lambda: client.models.retrieve("tooled")
    yield "chat", lambda: create(model="tooled", messages=ASK)
    yield "chat of the embedded model", lambda: create(model="system2-mini", messages=ASK)
    yield "chat, three answers", lambda: create(model="tooled", messages=ASK, n=3)
    yield (
        "chat, logprobs",
        lambda: create(model="tooled", messages=ASK, logprobs=True, top_logprobs=1),
    )
    yield "chat, tools", lambda: create(model="tooled", messages=ASK, tools=NESTED)
    yield (
        "chat, stored",
        lambda: create(model="tooled", messages=ASK, store=True, metadata={"a": "b"}),
    )
    yield "chat, cut", lambda: create(model="system2-mini", messages=ASK, max_completion_tokens=5)
    for effort in ("none", "high"):
        yield (
            f"chat, effort {effort}",
            lambda effort=effort: create(
                model="system2-mini", messages=ASK, reasoning_effort=effort
            ),
        )
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": PARAMETERS}}
    yield "chat, schema", lambda: create(model="tooled", messages=ASK, response_format=form)


def responses(client: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Calls of the Responses API, named."""
    create = client.responses.create
    made: dict[str, str] = {}

    def keep(name: str, **more: Any) -> Any:
        found = create(model="tooled", input=SUM, **more)
        made[name] = found.id
        return found

    summary = {"effort": "low", "summary": "auto"}
    yield "response", lambda: keep("whole", metadata={"a": "b"}, instructions="Be brief.")
    yield "response, summary", lambda: create(model="system2-mini", input=SUM, reasoning=summary)
    yield "response, tools", lambda: create(model="tooled", input=SUM, tools=FLAT)
    yield (
        "response, a chosen tool",
        lambda: create(
            model="tooled",
            input=SUM,
            tools=FLAT,
            tool_choice={"type": "function", "name": "weather"},
        ),
    )
    yield "response, schema", lambda: create(model="tooled", input=SUM, text={"format": FORM})
    yield "response, cut", lambda: create(model="system2-mini", input=SUM, max_output_tokens=16)
    yield (
        "response, unstored",
        lambda: create(
            model="tooled", input=SUM, store=False, include=["reasoning.encrypted_content"]
        ),
    )
    yield (
        "response, logprobs",
        lambda: create(
            model="tooled", input=SUM, include=["message.output_text.logprobs"], top_logprobs=1
        ),
    )
    yield "response, in the background", lambda: keep("background", background=True)
    yield "response, found", lambda: client.responses.retrieve(made["whole"])
    yield "response, gone on with", lambda: keep("next", previous_response_id=made["whole"])
    yield "input items", lambda: client.responses.input_items.list(made["next"])
    yield "response, deleted", lambda: client.responses.delete(made["whole"])
    yield "input tokens", lambda: client.responses.input_tokens.count(model="tooled", input=SUM)
    yield "compacted", lambda: client.responses.compact(model="tooled", input=SUM)


def through_prism(serving: Serving, schema: Path) -> bool:
    """OpenAI's SDK through Prism, which compares every request and reply with OpenAI's schema."""
    import openai

    start = command("prism", PRISM)
    if start is None:
        return skipped("Prism", "neither prism nor npx is on the path")
    count, known, bad = 0, 0, 0
    with proxy(start, schema, serving.url) as url:
        client = openai.OpenAI(base_url=url, api_key="sk-local", max_retries=0, timeout=120)
        for family in (chats(client), responses(client)):
            for name, call in family:
                count += 1
                try:
                    call()
                except openai.APIStatusError as error:
                    body: Any = error.body if isinstance(error.body, dict) else {}
                    faults = body.get("validation") or [{"message": str(error)[:500]}]
                    places = {tuple(one.get("location", ())[2:]) for one in faults}
                    if places <= KNOWN.keys():
                        known += 1
                        continue
                    bad += 1
                    for fault in faults:
                        print(f"  {name}: {fault['message']}")
    print(f"Prism: {bad} violations in {count} calls; {known} known: {'; '.join(KNOWN.values())}")
    return not bad


# -------------------------------------------------------------------- schemathesis


def schemathesis(name: str, where: str, base: str, checks: str, examples: int) -> bool:
    """Every endpoint of a schema, with its examples, its limits, and at random."""
    if find_spec("schemathesis") is None:
        return skipped(name, "schemathesis is not installed: pip install schemathesis")
    words = [
        "run",
        where,
        "--url",
        base,
        "--no-color",
        "--checks",
        checks,
        "--request-timeout",
        "60",
    ]
    words += ["--phases", "examples,coverage,fuzzing,stateful", "--max-examples", str(examples)]
    words += ["--suppress-health-check=all", "-H", "Authorization: Bearer sk-local"]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", *words],
            cwd=folder, capture_output=True, text=True,
        )  # fmt: skip
    cases = re.search(r"Test cases:\n\s+(.*)", done.stdout)
    if done.returncode or not cases:
        print(f"{name}: failed\n{done.stdout[-6000:]}{done.stderr[-2000:]}")
        return False
    print(f"{name}: {cases[1]}")
    return True


def skipped(name: str, why: str) -> bool:
    """A suite that is not run is no failure."""
    print(f"{name}: skipped: {why}")
    return True


def main() -> int:
    """Run what is there; 1 where anything failed."""
    parser = argparse.ArgumentParser(description="the server against suites that others wrote")
    parser.add_argument(
        "--openresponses", type=Path, default=os.environ.get("OPENRESPONSES") or None
    )
    parser.add_argument("--openapi", type=Path, default=os.environ.get("OPENAPI") or None)
    parser.add_argument("--examples", type=int, default=15)
    given = parser.parse_args()
    folder = Path(given.openresponses) if given.openresponses else None
    schema = Path(given.openapi) if given.openapi else None
    with (
        tempfile.TemporaryDirectory() as home,
        Backend() as backend,
        Serving(Path(home), models(backend.url)) as serving,
    ):
        good = [
            open_responses(serving, folder)
            if folder
            else skipped("Open Responses", "OPENRESPONSES names no checkout of it"),
            through_prism(serving, schema)
            if schema
            else skipped("Prism", "OPENAPI names no schema of OpenAI's"),
        ]
        theirs = folder / "public" / "openapi" / "openapi.json" if folder else None
        if theirs and theirs.exists():
            good.append(
                schemathesis(
                    "schemathesis, Open Responses' schema",
                    str(theirs),
                    serving.url,
                    THEIRS,
                    given.examples,
                )
            )
        own = f"{serving.root}/openapi.json"
        good.append(
            schemathesis("schemathesis, our own schema", own, serving.root, CHECKS, given.examples)
        )
        for line in serving.faults():
            print(f"  in the log: {line}")
        good.append(not serving.faults())
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
