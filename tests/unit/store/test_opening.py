"""Which engine a server opens is what its settings say."""

from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from rookery.config import Config, Server, Store
from rookery.store import open_reader, open_writer

ENGINES = get_args(get_type_hints(Store)["engine"])


@pytest.mark.parametrize("engine", ENGINES)
async def test_each_engine_of_the_settings_is_opened(engine: str, tmp_path: Path) -> None:
    """Its reader and its writer, each of a kind of its own."""
    settings = Config(
        store=Store(engine=engine),  # type: ignore[arg-type]
        server=Server(data_dir=str(tmp_path / "data")),
    )
    writer, reader = open_writer(settings), open_reader(settings)
    try:
        for opened in (writer, reader):
            assert engine in type(opened).__module__
    finally:
        await reader.close()
        await writer.close()


def test_settings_have_both_engines() -> None:
    """Of the one every process writes to by itself, of the other one process."""
    assert [Store(engine=engine).is_shared for engine in ENGINES] == [False, True]
