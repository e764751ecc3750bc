"""What each command runs, imported when it is asked for: --help needs neither a decoder nor a server."""

from __future__ import annotations

import argparse
import gc


def calm() -> None:
    """Keep the garbage collector from holding up the event loop: a search's tree is no garbage.

    What is imported is never looked at again, the young often and few at once, everything rarely:
    a full collection of a tree of 100,000 nodes takes a tenth of a second. For whole processes only.
    """
    gc.freeze()
    gc.set_threshold(3_000, 5, 300)


def run_serve(options: argparse.Namespace) -> int:
    """Serve."""
    from system2.cli.serve import serve

    return serve(options)


def run_ask(options: argparse.Namespace) -> int:
    """Import late: the decoder is not needed for --help."""
    from system2.cli.ask import ask

    calm()
    return ask(options)


def run_resume(options: argparse.Namespace) -> int:
    """Import late."""
    from system2.cli.ask import resume

    calm()
    return resume(options)


def run_batch(options: argparse.Namespace) -> int:
    """Import late."""
    from system2.cli.batch import batch

    calm()
    return batch(options)


def run_routes(options: argparse.Namespace) -> int:
    """Import late."""
    from system2.cli.routes import routes

    calm()
    return routes(options)


def run_examples(options: argparse.Namespace) -> int:
    """Import late."""
    from system2.cli.examples import examples

    calm()
    return examples(options)


def run_runs(options: argparse.Namespace) -> int:
    """Import late."""
    from system2.cli.runs import runs

    return runs(options)


def run_trace(options: argparse.Namespace) -> int:
    """Import late."""
    from system2.cli.runs import trace

    return trace(options)


def run_eval(options: argparse.Namespace) -> int:
    """Import late; its tables and plots are an extra."""
    try:
        from system2.cli.evaluate import evaluate
    except ImportError as error:
        raise ValueError(
            f"evaluating needs more packages ({error}); install them with `pip install 'system2[eval]'`"
        ) from error
    calm()
    return evaluate(options)


def run_train(options: argparse.Namespace) -> int:
    """Import late: this is the one command that needs torch."""
    try:
        from system2.training.sft import Recipe, train
    except ImportError as error:
        raise ValueError(
            f"training needs more packages ({error}); install them with `pip install 'system2[train]'`"
        ) from error
    from pathlib import Path

    for name, least in (("minutes", 1), ("updates", 0), ("processes", 1)):
        given = getattr(options, name)
        if not least <= given < 10**6:
            raise ValueError(
                f"--{name} must be at least {least} (and less than a million), {given} was given"
            )
    recipe = Recipe(
        seed=options.seed, updates=options.updates, minutes=options.minutes,
        processes=options.processes,
    )  # fmt: skip
    train(Path(options.out), recipe)
    return 0
