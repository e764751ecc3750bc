"""The commands and their options. Imports nothing heavy, so that --help answers at once."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from system2 import __version__
from system2.cli.arguments import (
    add_ask,
    add_batch,
    add_eval,
    add_examples,
    add_resume,
    add_routes,
    add_runs,
    add_serve,
    add_trace,
    add_train,
)


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence; --help is there for the rest. No option may be shortened:
    `--key` for `--key-file` would take a secret for a path, and show it."""

    def __init__(self, **given: Any) -> None:
        super().__init__(allow_abbrev=False, **given)

    def error(self, message: str) -> NoReturn:
        """Exit status 2, as argparse has it."""
        if re.match(r"unrecognized arguments: -[\d.(]", message):
            message += " (a question that begins with a minus goes last, after --)"
        self.exit(2, f"system2: {message}; see {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit status. Every foreseen fault becomes one sentence on standard error."""
    try:
        options = parser().parse_args(arguments)
        status = options.run_command(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever read has gone; Python would try to write once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("system2: interrupted\n")
        return 130
    except Exception as error:
        if not _foreseen(error):
            raise
        from system2.cli.terminal import shown

        sys.stderr.write(f"system2: {shown(_told(error))}\n")
        return int(getattr(error, "exit_status", 1))


def _foreseen(error: Exception) -> bool:
    """Faults of the input or the machine, and our own kinds, such as WeightsError."""
    ours = type(error).__module__.startswith("system2.")
    return ours or isinstance(error, ValueError | OSError | RuntimeError | ImportError)


def _told(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def parser() -> Parser:
    """All commands."""
    from system2.cli.keys import add_keys
    from system2.cli.usage import add_usage

    top = Parser(prog="system2", description="Thinks before it answers, with any language model.")
    top.add_argument("--version", action="version", version=f"system2 {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    add_ask(commands.add_parser("ask", help="think about a question and answer it"))
    add_resume(
        commands.add_parser("resume", help="go on with a run that was stopped, or with more")
    )
    add_batch(commands.add_parser("batch", help="answer a file of questions on one budget"))
    add_routes(
        commands.add_parser("routes", help="learn from answered questions how much one deserves")
    )
    add_examples(
        commands.add_parser("examples", help="make worked examples from a file of questions")
    )
    add_runs(commands.add_parser("runs", help="list what was asked, newest first"))
    add_trace(commands.add_parser("trace", help="show one run: its thoughts and what they cost"))
    add_serve(commands.add_parser("serve", help="answer requests in OpenAI's two APIs"))
    add_eval(commands.add_parser("eval", help="measure accuracy and cost on a problem family"))
    add_train(commands.add_parser("train", help="train the embedded model"))
    add_keys(commands.add_parser("keys", help="say who may use the server, and how much of it"))
    add_usage(commands.add_parser("usage", help="show what the server's keys have spent"))
    return top
