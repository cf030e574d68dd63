"""`rookery.actors.shard`: settings that ask for more memory than there is."""

from pathlib import Path

import pytest

from rookery.actors.runtime import ActorContext
from rookery.actors.runtime_inline import InlineRuntime
from rookery.actors.shard import TimelineShard
from rookery.cluster.topology import fixed_view
from rookery.config import load
from rookery.errors import StartupError


def test_too_many_timelines_are_refused_by_name(tmp_path: Path) -> None:
    """One line that names the settings, rather than what the system says of a mapping."""
    config = load(
        environ={},
        overrides={
            "server": {"data_dir": str(tmp_path), "runtime": "inline"},
            "timelines": {"max_rows": 1_000_000_000, "ring_size": 100_000},
        },
    )
    context = ActorContext("TimelineShard-0", InlineRuntime())
    with pytest.raises(StartupError, match=r"timelines\.max_rows = 1000000000"):
        TimelineShard(context, config, fixed_view(config))
