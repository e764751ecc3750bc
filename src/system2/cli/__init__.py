"""The command line."""

from system2.cli.main import main

__all__ = ["main"]
