"""Mentions, lists and replies, beyond the conformance file."""

import pytest

from rookery.text import Mention, extract, extract_mentions, extract_mentions_or_lists, reply_to


def _names(text: str) -> list[str]:
    return [mention.username for mention in extract_mentions(text)]


@pytest.mark.parametrize("before", [" ", "\n", ".", ",", "(", "-", "+", "~", "/", '"', "\u3042"])
def test_may_follow(before: str) -> None:
    """Most characters may stand before the sign."""
    assert _names(f"x{before}@user") == ["user"]


@pytest.mark.parametrize("before", [*"a9Z_!#$%&*@", "\uff20"])
def test_must_not_follow(before: str) -> None:
    """Word characters and some signs before the at sign prevent a mention."""
    assert _names(f" {before}@user") == []


@pytest.mark.parametrize("text", ["RT@user", "say rt@user", "(Rt:@user", "\u3042RT@user"])
def test_follows_a_retweet_mark(text: str) -> None:
    """RT on its own may touch the sign, although a letter may not."""
    assert _names(text) == ["user"]


@pytest.mark.parametrize("text", ["xRT@user", "-RT@user", "_rt@user", "support@user", "RTT@user"])
def test_follows_no_word_ending_like_a_retweet_mark(text: str) -> None:
    """Letters that merely end in RT are a word, as in an address."""
    assert _names(text) == []


@pytest.mark.parametrize("after", ["@", "\uff20", "\xe9", "\u0301", "\u1e00", "\u02bb", "://"])
def test_is_spoilt_by_what_follows(after: str) -> None:
    """Another at sign, an accented letter or a protocol's end after the name prevent a mention."""
    assert _names(f"@user{after} @other") == ["other"]


@pytest.mark.parametrize("after", [":", "/", "'s", "-x", "\u3042", "\u0439", "$"])
def test_is_ended_by_other_characters(after: str) -> None:
    """Anything else simply ends the name."""
    assert _names(f"@user{after}") == ["user"]


def test_takes_twenty_characters() -> None:
    """A longer name is cut, not refused."""
    (mention,) = extract_mentions("@" + "a" * 21)
    assert (len(mention.username), mention.end) == (20, 21)


def test_accepts_a_full_width_sign() -> None:
    """U+FF20 is an at sign."""
    assert extract_mentions("\uff20user") == (Mention("user", 0, 5),)


def test_sign_that_spoils_cannot_begin_the_next() -> None:
    """The at sign that spoils a list mention begins no mention of its own."""
    assert extract_mentions_or_lists("@user/list-@other") == ()


def test_counts_code_points_not_code_units() -> None:
    """A character outside the basic plane counts as one."""
    assert extract_mentions("\U00010400 @user") == (Mention("user", 2, 7),)


@pytest.mark.parametrize(
    ("text", "slug", "end"),
    [
        ("@user/list", "list", 10),
        ("@user/a", "a", 7),
        ("@user/l-i_s-t9!", "l-i_s-t9", 14),
        ("@user/" + "l" * 26, "l" * 25, 31),
    ],
)
def test_list_slug(text: str, slug: str, end: int) -> None:
    """A slug begins with a letter and has up to 25 characters."""
    assert extract_mentions_or_lists(text) == (Mention("user", 0, end, slug),)


@pytest.mark.parametrize("text", ["@user/", "@user/1list", "@user/-list", "@user /list", "@user/_"])
def test_no_list_slug(text: str) -> None:
    """Without a slug the mention is one of the user."""
    assert extract_mentions_or_lists(text) == (Mention("user", 0, 5),)


def test_list_is_no_mention_of_its_owner() -> None:
    """Only the call that asks for lists returns them."""
    assert _names("@user/list @other") == ["other"]


@pytest.mark.parametrize("text", ["https://example.com/@user", "example.com/@user/list"])
def test_within_a_url_is_left_out_of_all(text: str) -> None:
    """A mention inside a URL belongs to the URL."""
    assert extract(text).mentions == ()


@pytest.mark.parametrize("before", ["", " ", "\t\n", "\u3000", "\u200f\u202a", "\u2066 "])
def test_reply_begins_a_text(before: str) -> None:
    """White space and directional marks may stand before the name replied to."""
    assert reply_to(f"{before}@user hello") == "user"


@pytest.mark.parametrize(
    "text", ["", "hello @user", "@", "@user@example.com", "@user\xe9", "\n.@user", "@http://a.com"]
)
def test_no_reply(text: str) -> None:
    """Anything else before the name, or what spoils a mention, makes it no reply."""
    assert reply_to(text) is None


def test_reply_to_a_list_is_one_to_its_owner() -> None:
    """Only the name counts for a reply."""
    assert reply_to("@user/list") == "user"
