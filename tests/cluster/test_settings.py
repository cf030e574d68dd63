"""What cannot work on several nodes is refused at the start, with what to do instead."""

from pathlib import Path

import pytest

from rookery.errors import StartupError
from tests.cluster.raylets import Raylets
from tests.integration.server.world import ServerThread, config

pytestmark = [
    pytest.mark.timeout(180),  # the first test may start the cluster
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


def test_an_sqlite_store_on_several_nodes_is_refused(raylets: Raylets, tmp_path: Path) -> None:
    """Its file is on one of them."""
    settings = config(tmp_path / "data", "ray", ray={"address": raylets.address})
    with pytest.raises(StartupError, match=r"has \d nodes, .* SQLite .*set store.engine = mongo"):
        ServerThread(settings).start()


def test_a_store_that_is_not_there_is_named(raylets: Raylets, tmp_path: Path) -> None:
    """Before any actor is started."""
    settings = config(
        tmp_path / "data",
        "ray",
        ray={"address": raylets.address},
        store={"engine": "mongo", "mongo_uri": "mongodb://127.0.0.1:1/?replicaSet=rs0"},
    )
    with pytest.raises(StartupError, match=r"127\.0\.0\.1:1"):
        ServerThread(settings).start()
