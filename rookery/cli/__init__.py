"""The command line: ``rookery …``, and ``python main.py …``, which is the same."""

from rookery.cli import signals

__all__ = ["main"]


def main() -> None:
    """Entry point; a signal is honoured while the program is still being loaded."""
    signals.guard_imports()
    from rookery.cli.main import main as run

    signals.release()
    run()
