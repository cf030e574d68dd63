"""twitter-text's own conformance cases, read where they lie beside the checkout."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from rookery import text as tt
from rookery.text import weights

_DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "twitter-text"
_CASES = _DATA / "extract.yml"
_CONFIG = _DATA / "v3.json"

_absent = pytest.mark.skipif(not _CASES.exists(), reason="no twitter-text data beside the checkout")


def _mentions(text: str) -> list[dict[str, Any]]:
    return [
        {"screen_name": m.username, "indices": [m.start, m.end]} for m in tt.extract_mentions(text)
    ]


def _mentions_or_lists(text: str) -> list[dict[str, Any]]:
    return [
        {
            "screen_name": m.username,
            "list_slug": "" if m.list_slug is None else f"/{m.list_slug}",
            "indices": [m.start, m.end],
        }
        for m in tt.extract_mentions_or_lists(text)
    ]


def _urls(text: str) -> list[dict[str, Any]]:
    return [{"url": u.url, "indices": [u.start, u.end]} for u in tt.extract_urls(text)]


def _hashtags(text: str) -> list[dict[str, Any]]:
    return [{"hashtag": h.tag, "indices": [h.start, h.end]} for h in tt.extract_hashtags(text)]


def _cashtags(text: str) -> list[dict[str, Any]]:
    return [{"cashtag": c.symbol, "indices": [c.start, c.end]} for c in tt.extract_cashtags(text)]


_SECTIONS: dict[str, Callable[[str], object]] = {
    "mentions": lambda text: [m.username for m in tt.extract_mentions(text)],
    "mentions_with_indices": _mentions,
    "mentions_or_lists_with_indices": _mentions_or_lists,
    "replies": tt.reply_to,
    "urls": lambda text: [u.url for u in tt.extract_urls(text)],
    "urls_with_indices": _urls,
    "urls_with_directional_markers": _urls,
    "tco_urls_with_params": lambda text: [u.url for u in tt.extract_urls(text)],
    "hashtags": lambda text: [h.tag for h in tt.extract_hashtags(text)],
    "hashtags_from_astral": lambda text: [h.tag for h in tt.extract_hashtags(text)],
    "hashtags_with_indices": _hashtags,
    "cashtags": lambda text: [c.symbol for c in tt.extract_cashtags(text)],
    "cashtags_with_indices": _cashtags,
}

# `extract` leaves out what lies within a URL; in these sections no expected entity does.
_TOGETHER: dict[str, Callable[[tt.Entities], list[str]]] = {
    "mentions": lambda found: [m.username for m in found.mentions],
    "urls": lambda found: [u.url for u in found.urls],
    "hashtags": lambda found: [h.tag for h in found.hashtags],
    "cashtags": lambda found: [c.symbol for c in found.cashtags],
}


def _cases(*sections: str) -> list[Any]:
    if not _CASES.exists():
        return []
    tests = yaml.safe_load(_CASES.read_text(encoding="utf-8"))["tests"]
    return [
        pytest.param(section, case["text"], case["expected"], id=f"{section}-{i}")
        for section in sections or tests
        for i, case in enumerate(tests[section])
    ]


@_absent
@pytest.mark.parametrize(("section", "text", "expected"), _cases())
def test_each_kind_conforms(section: str, text: str, expected: object) -> None:
    """Each section's function finds what the case expects, where it expects it."""
    assert _SECTIONS[section](text) == expected


@_absent
@pytest.mark.parametrize(("section", "text", "expected"), _cases(*_TOGETHER))
def test_all_kinds_together_conform(section: str, text: str, expected: list[str]) -> None:
    """Extracting everything at once finds the same as extracting one kind."""
    assert _TOGETHER[section](tt.extract(text)) == expected


@pytest.mark.skipif(not _CONFIG.exists(), reason="no twitter-text data beside the checkout")
def test_weights_are_those_of_the_configuration() -> None:
    """The constants and the light ranges are those of twitter-text's version 3 configuration."""
    config = json.loads(_CONFIG.read_text(encoding="utf-8"))
    assert config["maxWeightedTweetLength"] == tt.DEFAULT_LIMIT
    assert config["transformedURLLength"] == weights.URL_WEIGHT
    assert config["defaultWeight"] == weights.EMOJI_WEIGHT * config["scale"]
    for span in config["ranges"]:
        assert span["weight"] == config["scale"]
        for code_point in (span["start"], span["end"]):
            assert weights.weigh(chr(code_point), ()) == 1
        assert weights.weigh(chr(span["end"] + 1), ()) == 2
