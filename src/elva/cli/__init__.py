"""The command line: thin commands that import what they run, and torch, only when they run."""

from elva.cli.app import main

__all__ = ["main"]
