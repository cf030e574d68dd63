"""Cursors."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rookery.domain.cursors import decode, encode
from rookery.errors import InvalidCursor
from rookery.ids import MAX_ID

positions = st.integers(min_value=1, max_value=MAX_ID)
alphabet = string.ascii_letters + string.digits + "-_"


@given(positions)
def test_decode_gives_back_what_was_encoded(position: int) -> None:
    """A cursor leads back to its position."""
    assert decode("home", encode("home", position)) == position


@given(positions)
def test_a_cursor_needs_no_escaping_in_a_url(position: int) -> None:
    """Only unreserved characters of RFC 3986 are used."""
    assert re.fullmatch(r"[A-Za-z0-9_-]+", encode("home", position))


@given(positions)
def test_a_cursor_of_another_list_is_refused(position: int) -> None:
    """The list's name is part of what is checked."""
    with pytest.raises(InvalidCursor):
        decode("likers", encode("home", position))


@given(positions, st.integers(0, 15), st.sampled_from(alphabet))
def test_a_changed_character_is_refused(position: int, place: int, character: str) -> None:
    """The checksum notices a typing error anywhere."""
    cursor = encode("home", position)
    changed = cursor[:place] + character + cursor[place + 1 :]
    if changed != cursor:
        with pytest.raises(InvalidCursor):
            decode("home", changed)


@given(
    st.text(alphabet=alphabet + "+/= \0\xe9\u0663\U0001f426", max_size=20)
    | st.text(alphabet=alphabet + "+/=", min_size=16, max_size=16)
)
def test_nonsense_is_refused(text: str) -> None:
    """Whatever text comes, the answer is InvalidCursor and nothing else."""
    with pytest.raises(InvalidCursor):
        decode("home", text)


def test_the_standard_alphabet_is_refused() -> None:
    """A position has one cursor only: "+" and "/" do not stand for "-" and "_"."""
    cursor = next(c for c in (encode("home", p) for p in range(1, 10_000)) if "-" in c)
    with pytest.raises(InvalidCursor):
        decode("home", cursor.replace("-", "+"))
