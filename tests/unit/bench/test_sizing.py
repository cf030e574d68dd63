"""The capacity model: its figures follow from its inputs as they should."""

from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bench import measured
from bench.assumptions import SCALES, Assumptions, Scale, demand
from bench.audience import Audience, draw
from bench.capacity import assumed
from bench.measured import costs, read
from bench.operations import Operations
from bench.report import Result, UnusableResults
from bench.sizing import Model, calls, chances, fan_out, monthly_usd, size, spread
from bench.stored import StoredBytes

NEVER = float("inf")
ASSUMPTIONS = Assumptions()
SMALL, LARGE = SCALES[0], SCALES[1]
OPERATIONS = Operations(
    lists=np.array([0.0, 1.0, 100.0]),
    read_us=np.array([2.0, 5.0, 104.0]),
    idle_us=1.0,
    ring_us=9.0,
    ring_row_us=0.02,
    listed_us=3.0,
    listed_row_us=0.001,
    carry_us=0.2,
    list_bytes=70_000.0,
)


def model(**changes: float) -> Model:
    a = msgspec.structs.replace(ASSUMPTIONS, **changes)
    known = costs((), "", a)
    return Model(known, OPERATIONS, StoredBytes(400, 140, 400), a)


@pytest.fixture(scope="module")
def audience() -> Audience:
    return draw(SMALL.users, 200, exponent=2.2, activity=0.26, most=1e7, seed=1)


def sized(made: Model, scale: Scale, audience: Audience, threshold: float = NEVER) -> float:
    nodes = size(made, scale, audience, threshold, at_home=True).nodes
    assert nodes is not None
    return nodes


def test_demand_is_the_mean_times_the_peak() -> None:
    """10 million tweets a day are 347 a second when three times as many come as on average."""
    need = demand(SMALL, ASSUMPTIONS)
    assert need.tweets == pytest.approx(347.2, rel=1e-3)
    assert need.connected == pytest.approx(10e6 * 30 / 1440 * 3)
    assert need.connected < need.warm < SMALL.users


@pytest.mark.parametrize(("per_s", "expected"), [(1, 1), (1e9, 1000 / 3)])
def test_calls_gather_what_comes_meanwhile(per_s: float, expected: float) -> None:
    """Seldom things have a call each; of many, one pair makes a call after the other."""
    assert calls(per_s, 1, gather_ms=3) == pytest.approx(expected, rel=0.01)


def test_few_things_lie_apart_and_many_everywhere() -> None:
    """One follower touches one shard, very many touch all."""
    assert spread(np.array([0.001, 1e6]), 8) == pytest.approx([0.001, 8], rel=1e-3)


def test_chances_add_up_to_one_with_the_mean() -> None:
    """Followed celebrities are drawn with the share of follows that go to celebrities."""
    made = chances(200, 0.3)
    assert made.sum() == pytest.approx(1)
    assert made @ np.arange(201) == pytest.approx(60)


def test_a_higher_threshold_moves_cost_from_reads_to_writes(audience: Audience) -> None:
    """Fewer celebrities: fewer lists to merge and to keep, more to write, longer at worst."""
    rows = [fan_out(model(), SMALL, audience, 16, each) for each in (1e3, 1e5, NEVER)]
    for lower, higher in pairwise(rows):
        assert lower.celebrities > higher.celebrities
        assert lower.read_cores > higher.read_cores
        assert lower.list_gb_a_shard > higher.list_gb_a_shard
        assert lower.write_cores < higher.write_cores
        assert lower.worst_ms < higher.worst_ms
    assert rows[-1].celebrities == rows[-1].read_cores == 0


def test_the_cheapest_threshold_follows_the_costs(audience: Audience) -> None:
    """Where writing to rings is a thousand times dearer, celebrities pay."""

    def cheapest(made: Model) -> float:
        thresholds = (1e4, 1e6, NEVER)
        fanned = [fan_out(made, SMALL, audience, 16, each) for each in thresholds]
        usd = [monthly_usd(each, 16, made.assumptions) for each in fanned]
        return thresholds[usd.index(min(usd))]

    dear = model()
    dear.costs["delivery"] = dear.costs["delivery"]._replace(value=100.0)
    assert cheapest(model()) == NEVER
    assert cheapest(dear) < NEVER


def test_more_load_needs_more_nodes(audience: Audience) -> None:
    """The peak decides, and what is in use of it."""
    nodes = sized(model(), SMALL, audience)
    assert sized(model(peak=30), SMALL, audience) > nodes
    assert sized(model(utilisation=0.1), SMALL, audience) > nodes


def test_lists_that_fit_no_node_are_found_out() -> None:
    """Each shard has every list: with too many of them more nodes do not help."""
    audience = draw(LARGE.users, 200, exponent=2.2, activity=0.26, most=1e8, seed=1)
    made = size(model(), LARGE, audience, 1e3, at_home=True)
    assert made.nodes is None
    assert made.bound_by == "memory"


def test_processor_time_comes_before_the_rate() -> None:
    """What the server itself used is taken where it is known, else all cores."""
    seen = costs((), "", ASSUMPTIONS)
    read_us = 115.4 + 29.5 + 4.9 - 1000 / (1 + 10_018 * 0.003)
    assert seen["read"].value == pytest.approx(read_us)
    bare = [Result(bench="reads", value=10_000, unit="requests/s", machine={"cores": 4})]
    assert costs(bare, "a file", ASSUMPTIONS)["read"].value == pytest.approx(400)


def test_figures_are_read_from_lines(tmp_path: Path) -> None:
    """A line of a benchmark replaces what is known of it, and its source is told."""
    file = tmp_path / "figures.jsonl"
    line = msgspec.structs.replace(measured.FIGURES[-1], value=5_000)
    file.write_bytes(msgspec.json.encode(line) + b"\n")
    made = costs(read(file), "figures.jsonl", ASSUMPTIONS)
    assert made["session"].value == 5_000
    assert "figures.jsonl" in made["session"].source
    assert measured.WHEN in made["timeline"].source


@pytest.mark.parametrize("text", ["", "nonsense\n", '{"bench": "reads", "value": 0, "unit": ""}\n'])
def test_unusable_figures_are_refused(tmp_path: Path, text: str) -> None:
    """A file without figures is named, not silently replaced by known ones."""
    file = tmp_path / "figures.jsonl"
    file.write_text(text)
    with pytest.raises(UnusableResults, match=r"figures\.jsonl"):
        read(file)


def test_assumptions_can_be_set() -> None:
    """A price is given as NAME=VALUE; the others stay."""
    assert assumed(["price_vcpu_hour=0.03"]).price_vcpu_hour == 0.03
    assert assumed(["price_vcpu_hour=0.03"]).peak == ASSUMPTIONS.peak


@pytest.mark.parametrize("change", ["nonsense=1", "peak=", "peak=nan", "utilisation=0", "peak"])
def test_an_assumption_that_cannot_be_is_refused(change: str) -> None:
    """An unknown name or an impossible value is told, not computed with."""
    with pytest.raises(ValueError, match=change.partition("=")[0]):
        assumed([change])
