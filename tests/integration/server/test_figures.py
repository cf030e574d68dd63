"""What each process tells of itself."""

import pytest

from rookery.actors import names
from tests.integration.server.world import ServerThread


@pytest.mark.parametrize("name", [names.gateway(0), names.connection_server(0)])
async def test_a_process_with_use_cases_tells_their_figures(
    inline_server: ServerThread, name: str
) -> None:
    """Whichever surface it has."""
    figures = await inline_server.actor(name, "figures_now")
    assert inline_server.server.use_cases.figures().keys() <= figures.keys()
