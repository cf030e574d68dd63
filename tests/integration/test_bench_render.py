"""Results become tables between the markers of a page, and nothing else of it changes."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from bench.render import BEGIN, END, NoMarkers, app, last_runs, replaced, section_of, table
from bench.report import Result, json_line

MACHINE = {
    "cores": 2,
    "processor": "Some Processor",
    "memory_gb": 25,
    "system": "Linux 6.18",
    "python": "3.11.7",
    "ray": "2.60.0",
    "load_before": 0.25,
}
READS = Result(
    bench="reads",
    value=8_642.4,
    unit="requests/s",
    ceiling=23_116.0,
    ratio=0.374,
    p50_ms=6.5,
    p99_ms=13.0,
    repeats=3,
    spread=0.07,
    required=">= 4,000/s",
    met=True,
    parameters={"runtime": "ray", "cpu_us_each": {"Gateway": 127.0, "generator": 29.0}},
    machine=MACHINE,
    size="normal",
    began="2026-11-21T18:00:00+00:00",
)
PAGE = f"# Title\n\nbefore\n\n{BEGIN}\nold\n{END}\n\nafter\n"


def changed(**fields: Any) -> Result:
    return msgspec.structs.replace(READS, **fields)


def at(connections: int) -> Result:
    return changed(bench="load-reads", parameters={"connections": connections}, met=None)


def test_only_what_is_between_the_markers_is_replaced() -> None:
    """What was written by hand stays, whatever was generated before."""
    page = replaced(PAGE, "new")
    assert page == f"# Title\n\nbefore\n\n{BEGIN}\n\nnew\n\n{END}\n\nafter\n"
    assert replaced(page, "newer") == page.replace("new", "newer")


@pytest.mark.parametrize("page", ["", BEGIN, END, f"{END}{BEGIN}", f"{BEGIN}{END}{BEGIN}{END}"])
def test_a_page_without_a_place_is_refused(page: str) -> None:
    """Nothing is written where it is not clear what would be lost."""
    with pytest.raises(NoMarkers, match="once each"):
        replaced(page, "new")


def test_a_line_shows_median_ceiling_ratio_times_spread_and_verdict() -> None:
    """All that a reader needs to judge a figure stands beside it."""
    cells = [cell.strip() for cell in table([READS]).splitlines()[-1].strip("|").split("|")]
    rates = ["8,642 requests/s", "23,116 requests/s", "0.37"]
    assert cells == ["`reads`", *rates, "6.5 / 13", "7%", ">= 4,000/s: met"]


def test_a_missed_requirement_is_shown_as_missed() -> None:
    """A figure below what is promised cannot be overlooked."""
    assert ">= 4,000/s: **missed**" in table([changed(met=False)])


def test_nothing_is_said_of_a_requirement_that_does_not_count() -> None:
    """A run of which nothing is promised has neither met nor missed it."""
    shown = table([changed(met=None)])
    assert ">= 4,000/s |" in shown
    assert "met" not in shown


def test_the_machine_and_the_day_are_told() -> None:
    """Figures without them would mean nothing."""
    section = section_of(last_runs([READS]))
    assert "Measured 2026-11-21 (UTC), on 2 cores (Some Processor), 25 GB, Linux 6.18" in section
    assert "ray 2.60.0" in section
    assert "Medians of 3 runs" in section
    assert "| `reads` | Gateway 127, generator 29 |" in section


def test_small_runs_are_marked() -> None:
    """Figures of a run that only shows that it works are not taken for results."""
    assert "mean nothing" in section_of(last_runs([changed(size="small")]))
    assert "mean nothing" not in section_of(last_runs([READS]))


def test_a_sweep_is_shown_as_plot_and_table() -> None:
    """A plot stands before its figures, a line for each size, and apart from the benchmarks."""
    section = section_of(last_runs([READS, at(1), at(128)]))
    results, _, load = section.partition("### Against load")
    assert "(plots/load-reads.svg)" in load
    assert "| 1 at a time |" in load
    assert "| 128 at a time |" in load
    assert "at a time" not in results


def test_the_last_run_of_a_benchmark_counts() -> None:
    """A file to which another run was appended gives the newer figures, all lines of them."""
    later = [changed(value=float(value), began="2026-11-22T06:00:00+00:00") for value in (1, 2)]
    for order in ([READS, *later], [*later, READS]):
        assert last_runs(order) == {"reads": later}


def test_render_writes_page_and_plots(tmp_path: Path) -> None:
    """One command writes both; the plot of a sweep that is not among the results goes."""
    (tmp_path / "benchmarks.md").write_text(PAGE)
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "load-posts.svg").write_text("of another day")
    lines = tmp_path / "results.jsonl"
    lines.write_text("\n".join(json_line(each) for each in (READS, at(1), at(2))))
    done = CliRunner().invoke(app, [str(lines), "--docs", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "8,642 requests/s" in (tmp_path / "benchmarks.md").read_text()
    assert [path.name for path in (tmp_path / "plots").iterdir()] == ["load-reads.svg"]


@pytest.mark.parametrize(
    ("lines", "page", "told"),
    [
        ("", PAGE, "no results"),
        ("nonsense", PAGE, "line 1"),
        (json_line(READS), "# No markers", "benchmarks.md"),
        (json_line(READS), None, "benchmarks.md"),
    ],
)
def test_what_cannot_be_rendered_is_refused(
    tmp_path: Path, lines: str, page: str | None, told: str
) -> None:
    """The command line says which file is wrong; the page stays as it was."""
    if page is not None:
        (tmp_path / "benchmarks.md").write_text(page)
    (tmp_path / "results.jsonl").write_text(lines)
    runner = CliRunner(env={"COLUMNS": "500"})  # so that no word of it is broken
    done = runner.invoke(app, [str(tmp_path / "results.jsonl"), "--docs", str(tmp_path)])
    assert done.exit_code == 2
    assert told in done.output
    assert page is None or (tmp_path / "benchmarks.md").read_text() == page
