"""Figures that tests measure and do not assert: shown after the run, by folder.

A test tells one with ``record_property("measured", text)``.
"""

import pytest


def show(terminal: pytest.TerminalReporter, folder: str) -> None:
    """Print what the tests of a folder measured; for ``pytest_terminal_summary``."""
    lines = [
        text
        for outcome in ("passed", "failed")
        for report in terminal.getreports(outcome)
        if report.when == "call" and report.nodeid.startswith(folder)
        for name, text in report.user_properties
        if name == "measured"
    ]
    if lines:
        terminal.section(f"measured in {folder}")
        for line in lines:
            terminal.line(str(line))
