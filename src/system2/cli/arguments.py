"""The options of every command. Imports nothing heavy, so that --help answers at once."""

from __future__ import annotations

import argparse

from system2.cli.running import (
    run_ask,
    run_batch,
    run_eval,
    run_examples,
    run_resume,
    run_routes,
    run_runs,
    run_serve,
    run_trace,
    run_train,
)

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max", "pro")


def add_model(to: argparse.ArgumentParser) -> None:
    """Which model, and what it may cost."""
    group = to.add_argument_group("model")
    group.add_argument(
        "--model", metavar="URL|DIR",
        help="an OpenAI-compatible server such as http://localhost:8000/v1, or a folder of weights; "
        "default: the embedded model",
    )  # fmt: skip
    group.add_argument("--model-name", metavar="NAME", help="the server's name for the model")
    group.add_argument(
        "--key-file", metavar="FILE", help="file with the server's key (default: $OPENAI_API_KEY)"
    )
    group.add_argument(
        "--price", metavar="IN/OUT", help="dollars per million prompt and completion tokens"
    )
    group.add_argument("--at-once", type=int, metavar="N", help="calls under way at once")


def add_serve(to: argparse.ArgumentParser) -> None:
    """system2 serve"""
    to.description = (
        "Serves /v1/chat/completions and /v1/responses, and a page at /, on this machine alone unless told "
        "otherwise. Ctrl-C ends it: what runs may finish, everything paid for is kept."
    )
    to.add_argument("--host", default="127.0.0.1", help="others need keys (default: 127.0.0.1)")
    to.add_argument(
        "--port", type=int, default=8000, metavar="N", help="0: any free one (default: 8000)"
    )
    to.add_argument("--as", dest="offered_as", metavar="NAME", help="the model's name for clients")
    to.add_argument(
        "--effort", default="medium", metavar="EFFORT", help="where a request names none"
    )
    to.add_argument(
        "--thoughts", default="", choices=("none", "summary", "raw"),
        help="how much of them is shown where a request does not ask (default: summary, of the o1 profiles none)",
    )  # fmt: skip
    to.add_argument(
        "--language", metavar="TAG", help="of summaries, as zh-CN (default: the client's)"
    )
    to.add_argument(
        "--moderate",
        choices=("words", "model"),
        help="look at steps and answers before they are shown",
    )
    to.add_argument("--no-summaries", action="store_true", help="write no summaries of thoughts")
    to.add_argument(
        "--profile", default="compat", choices=("compat", "o1", "o1-preview"),
        help="what old models refused is refused (default: compat, nothing is)",
    )  # fmt: skip
    to.add_argument(
        "--config", metavar="FILE", help="models as [[model]] tables in TOML, instead of one"
    )
    to.add_argument(
        "--database", metavar="URL", help="accounts and jobs: a file, or postgresql://…"
    )
    to.add_argument("--keys", action="store_true", help="ask for keys even while there are none")
    to.add_argument(
        "--open", action="store_true", help="ask for no key on this machine, though there are some"
    )
    to.add_argument("--most", type=int, default=256, metavar="N", help="searches at once")
    to.add_argument(
        "--grace", type=float, default=10.0, metavar="N", help="seconds to finish at the end"
    )
    to.add_argument("--log-format", default="text", choices=("text", "json"))
    to.add_argument(
        "--fetch-images", action="append", metavar="HOST",
        help="a host whose images the backend may be told to fetch; none unless given",
    )  # fmt: skip
    add_routing(to)
    add_model(to)
    to.set_defaults(run_command=run_serve)


def add_ask(to: argparse.ArgumentParser) -> None:
    """system2 ask"""
    to.add_argument("question", nargs="?", help="the question; - reads standard input")
    to.add_argument("--file", metavar="FILE", help="read the question from a file")
    to.add_argument("--effort", default="medium", metavar="EFFORT", help=", ".join(EFFORTS))
    add_thinking(to)
    add_routing(to)
    to.add_argument("--system", metavar="TEXT", help="system message for a server's model")
    add_shown(to)
    to.add_argument("--seed", type=int, metavar="N", help="same seed, same thoughts")
    to.add_argument("--no-trace", action="store_true", help="keep no trace on disk")
    add_model(to)
    to.set_defaults(run_command=run_ask)


def add_shown(to: argparse.ArgumentParser) -> None:
    """What a server's model reads before the question."""
    to.add_argument(
        "--examples", metavar="FILE",
        help="worked examples for a server's model: JSON lines of question, thoughts, answer",
    )  # fmt: skip


def add_resume(to: argparse.ArgumentParser) -> None:
    """system2 resume"""
    to.description = (
        "Goes on with the run's own settings, but for those given here. Budgets are those of the "
        "whole run, what it has spent included; --seconds begin anew."
    )
    to.add_argument("run", help="a run's name, the beginning of one, or `last`")
    to.add_argument("--effort", metavar="EFFORT", help="another effort than before")
    add_thinking(to)
    add_model(to)
    to.set_defaults(run_command=run_resume)


def add_batch(to: argparse.ArgumentParser) -> None:
    """system2 batch"""
    to.description = (
        "Reads one JSON object a line with a `question` and, if wanted, an `id`; writes one object "
        "a line. Half of the budget is dealt out evenly, the rest goes to the questions that are still "
        "open then. Stopped or short of budget, the same command goes on and pays for nothing twice."
    )
    to.add_argument("input", metavar="IN.jsonl", help="the questions")
    to.add_argument("output", metavar="OUT.jsonl", help="the answers; settled ones stay")
    to.add_argument("--effort", default="medium", metavar="EFFORT", help=", ".join(EFFORTS))
    to.add_argument("--samples", type=int, metavar="N", help="lines of thought a question at most")
    add_routing(to)
    add_many(to)
    to.set_defaults(run_command=run_batch)


def add_routes(to: argparse.ArgumentParser) -> None:
    """system2 routes"""
    to.description = (
        "Reads one JSON object a line with a `question` and its right `answer`; begins every one with four "
        "lines of thought and goes on with a way drawn at random; writes what that teaches: how likely "
        "each way is to be right after what the first lines show, and what it takes. For "
        "`ask --routes FILE` and `batch --routes FILE`, with the same model and questions alike."
    )
    to.add_argument("input", metavar="IN.jsonl", help="questions with their answers; some hundreds")
    to.add_argument("output", metavar="OUT.json", help="the routes")
    to.add_argument("--effort", default="high", metavar="EFFORT", help=", ".join(EFFORTS))
    to.add_argument("--most", type=int, default=32, metavar="N", help="largest size to try")
    add_many(to)
    to.set_defaults(run_command=run_routes)


def add_many(to: argparse.ArgumentParser) -> None:
    """One budget for many questions, and who answers them."""
    to.add_argument(
        "--tokens", type=int, metavar="N", help="most completion tokens of all questions"
    )
    to.add_argument("--dollars", metavar="N", help="most dollars of all questions")
    to.add_argument("--seconds", type=float, metavar="N", help="most seconds of this sitting")
    to.add_argument("--parallel", type=int, default=16, metavar="N", help="questions at once")
    add_shown(to)
    to.add_argument("--system", metavar="TEXT", help="system message for a server's model")
    to.add_argument("--seed", type=int, metavar="N", help="of every question")
    add_model(to)


def add_routing(to: argparse.ArgumentParser) -> None:
    """Routes instead of a number of samples."""
    to.add_argument(
        "--routes", metavar="FILE", help="let what `system2 routes` learnt decide how to think"
    )


def add_examples(to: argparse.ArgumentParser) -> None:
    """system2 examples"""
    to.description = (
        "Groups the questions by meaning and thinks through, in each group, the one nearest its middle "
        "until a chain is short and has an answer. The budget is of all questions together."
    )
    to.add_argument("input", metavar="QUESTIONS.jsonl", help="as those of `system2 batch`")
    to.add_argument("-k", type=int, default=4, metavar="N", help="examples, one a kind of question")
    to.add_argument("--out", required=True, metavar="FILE", help="a new file, for --examples")
    to.add_argument("--effort", default="medium", metavar="EFFORT", help=", ".join(EFFORTS))
    to.add_argument("--tokens", type=int, metavar="N", help="most completion tokens")
    to.add_argument("--dollars", metavar="N", help="most dollars")
    to.add_argument("--seconds", type=float, metavar="N", help="most seconds")
    to.add_argument("--seed", type=int, default=0, metavar="N", help="of the groups")
    add_model(to)
    to.set_defaults(run_command=run_examples)


def add_thinking(to: argparse.ArgumentParser) -> None:
    """How much to think, and what to show of it."""
    to.add_argument("--samples", type=int, metavar="N", help="lines of thought at most")
    to.add_argument("--tokens", type=int, metavar="N", help="most completion tokens")
    to.add_argument("--dollars", metavar="N", help="most dollars")
    to.add_argument("--seconds", type=float, metavar="N", help="most seconds")
    to.add_argument("--show-thoughts", action="store_true", help="show the chain of thought")
    to.add_argument("--json", action="store_true", help="print one JSON object")


def add_runs(to: argparse.ArgumentParser) -> None:
    """system2 runs"""
    to.add_argument("--limit", type=int, default=20, metavar="N", help="runs")
    to.add_argument("--json", action="store_true", help="print JSON instead of a table")
    to.set_defaults(run_command=run_runs)


def add_trace(to: argparse.ArgumentParser) -> None:
    """system2 trace"""
    to.add_argument("run", help="a run's name, the beginning of one, or `last`")
    to.add_argument("--tree", action="store_true", help="show every line of thought")
    to.add_argument("--json", action="store_true", help="print one JSON object")
    to.add_argument("--html", metavar="FILE", help="write a page that needs nothing else")
    to.set_defaults(run_command=run_trace)


def add_eval(to: argparse.ArgumentParser) -> None:
    """system2 eval"""
    to.add_argument("task", help="a problem family, `all`, `free` or `outside`")
    to.add_argument("--samples", default="1,4,16", metavar="K,K,…", help="sample counts to report")
    to.add_argument("--limit", type=int, default=256, metavar="N", help="problems")
    to.add_argument("--temperature", type=float, default=0.8, metavar="T", help="of the samples")
    to.add_argument("--effort", default="high", metavar="EFFORT", help="low or high: the trace's")
    to.add_argument("--seed", type=int, default=0, metavar="N", help="of problems and samples")
    to.add_argument("--json", action="store_true", help="print JSON instead of a table")
    to.add_argument("--tokens", type=int, metavar="N", help="most completion tokens of all")
    to.add_argument("--dollars", metavar="N", help="most dollars of all")
    to.add_argument("--seconds", type=float, metavar="N", help="most seconds")
    to.add_argument("--plot", metavar="FILE", help="draw accuracy against samples (PNG or SVG)")
    add_model(to)
    to.set_defaults(run_command=run_eval)


def add_train(to: argparse.ArgumentParser) -> None:
    """system2 train"""
    kinds = to.add_subparsers(required=True, metavar="KIND")
    sft = kinds.add_parser("sft", help="supervised training from nothing")
    sft.add_argument("--out", required=True, metavar="DIR", help="folder of the weights")
    sft.add_argument("--minutes", type=float, default=110.0, metavar="N", help="wall time to use")
    sft.add_argument("--updates", type=int, default=0, metavar="N", help="instead of --minutes")
    sft.add_argument("--seed", type=int, default=1, metavar="N")
    sft.add_argument("--processes", type=int, default=2, metavar="N", help="one a core")
    sft.set_defaults(run_command=run_train)
