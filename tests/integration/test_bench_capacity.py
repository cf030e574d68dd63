"""``python -m bench capacity`` computes from figures and says what it follows from."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def capacity(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", "capacity", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.timeout(110)
def test_reports_one_json_object_a_line(tmp_path: Path) -> None:
    """Each scale has sizes and one cheapest threshold; each cost and assumption has a source."""
    done = capacity("--json", "--set", "peak=2", "--higgs", str(tmp_path / "absent"))
    assert done.returncode == 0, done.stderr
    assert "followers are not compared" in done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    by_part: dict[str, list[dict[str, object]]] = {}
    for line in lines:
        assert line["bench"] == "capacity"
        by_part.setdefault(line["part"], []).append(line)
    assert by_part.keys() == {"cost", "assumption", "scale", "demand", "threshold", "size"}
    assert all(line["source"] for part in ("cost", "assumption") for line in by_part[part])
    assert {"name": "peak", "value": 2.0}.items() <= by_part["assumption"][0].items()
    for scale in "ABC":
        thresholds = [line for line in by_part["threshold"] if line["scale"] == scale]
        assert [line["best"] for line in thresholds].count(True) == 1
        assert [line["default"] for line in thresholds].count(True) == 1
        sizes = [line for line in by_part["size"] if line["scale"] == scale]
        assert any(line["nodes"] and line["usd"] for line in sizes)


def test_a_wrong_assumption_is_refused() -> None:
    """The usual status of a wrong command line, and the names there are."""
    done = capacity("--set", "nonsense=1")
    assert done.returncode == 2
    assert "price_vcpu_hour" in done.stderr
