"""What the chaos tests measured is shown after the run."""

import pytest

from tests.integration.server.measured import show


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    show(terminalreporter, "tests/chaos")
