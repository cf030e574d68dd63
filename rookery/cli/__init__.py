"""The command line: ``rookery …``, and ``python main.py …``, which is the same."""

from rookery.cli.main import main

__all__ = ["main"]
