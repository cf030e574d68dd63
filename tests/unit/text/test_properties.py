"""What holds of every text."""

import itertools
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from rookery.text import (
    Cashtag,
    Entities,
    Hashtag,
    Mention,
    TextProblem,
    Url,
    extract,
    extract_cashtags,
    extract_hashtags,
    extract_mentions_or_lists,
    extract_urls,
    normalise,
    reply_to,
    validate,
    weighted_length,
)

_PIECES = st.sampled_from(
    [
        *"aZ09_-./:@#$&?!()~+'\" \n\u65e5\xe9\u0301\ufe0f\u200d\u202a\u3002\uff20\uff03\ud800",
        "http://", "https://", "example.com", ".co.jp", "t.co/", "xn--", "\u307f\u3093\u306a",
        "@user", "@user/list-", "#tag", "$TWTR", "RT", "://", "\U0001f468\u200d", "\U0001f3fb",
    ]
)  # fmt: skip
_TEXTS = st.one_of(
    st.lists(_PIECES, max_size=24).map("".join),
    st.text(st.characters(), max_size=60),  # lone surrogates too
)


def _spans(found: Entities) -> list[tuple[int, int]]:
    entities: list[Mention | Hashtag | Cashtag | Url] = [
        *found.mentions,
        *found.hashtags,
        *found.cashtags,
        *found.urls,
    ]
    return sorted((entity.start, entity.end) for entity in entities)


@given(_TEXTS)
def test_offsets_slice_the_text_to_the_entity(text: str) -> None:
    """Each entity is found exactly where it says."""
    found = extract(text)
    for mention in found.mentions:
        slug = "" if mention.list_slug is None else f"/{mention.list_slug}"
        assert text[mention.start + 1 : mention.end] == mention.username + slug
        assert text[mention.start] in "@\uff20"
    for hashtag in found.hashtags:
        assert text[hashtag.start + 1 : hashtag.end] == hashtag.tag
        assert text[hashtag.start] in "#\uff03"
    for cashtag in found.cashtags:
        assert text[cashtag.start : cashtag.end] == f"${cashtag.symbol}"
    for url in found.urls:
        assert text[url.start : url.end] == url.url


@given(_TEXTS)
def test_entities_never_overlap(text: str) -> None:
    """Every entity ends before the next begins."""
    spans = _spans(extract(text))
    assert all(start < end for start, end in spans)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))


@given(_TEXTS)
def test_all_kinds_together_find_no_more_than_each_alone(text: str) -> None:
    """What is left out of all is left out because it overlaps, never added."""
    found = extract(text)
    assert set(found.mentions) <= set(extract_mentions_or_lists(text))
    assert set(found.hashtags) <= set(extract_hashtags(text))
    assert set(found.cashtags) <= set(extract_cashtags(text))
    assert set(found.urls) <= set(extract_urls(text))


@given(_TEXTS)
def test_reply_names_whom_the_text_begins_with(text: str) -> None:
    """Only white space and directional marks stand before the sign and name."""
    name = reply_to(text)
    if name is not None:
        before, _, after = text.replace("\uff20", "@").partition("@")
        assert after.startswith(name)
        assert all(mark.isspace() or mark in "\u180e\u200e\u200f\u202a" for mark in before)


@given(_TEXTS)
def test_weight_has_bounds(text: str) -> None:
    """No code point weighs more than 2, save in a URL; ASCII without a dot weighs its length."""
    text = normalise(text)
    weight = weighted_length(text)
    assert weight <= 2 * len(text) + 23 * len(extract_urls(text))
    if text.isascii() and "." not in text:
        assert weight == len(text)


@given(_TEXTS, _TEXTS)
def test_weight_adds_up_over_lines(first: str, second: str) -> None:
    """Nothing that weighs reaches across a line's end."""
    together = weighted_length(f"{first} \n {second}")
    assert together == weighted_length(f"{first} ") + 1 + weighted_length(f" {second}")


@given(_TEXTS)
def test_validating_is_idempotent(text: str) -> None:
    """What may be posted may be posted again as it is, and is in normal form."""
    try:
        valid = validate(text)
    except TextProblem as problem:
        assert problem.reason.isprintable()
    else:
        assert validate(valid) == valid
        assert unicodedata.is_normalized("NFC", valid)
        valid.encode("utf-8")
