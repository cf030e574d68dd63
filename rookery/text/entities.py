"""What a text can hold: mentions, hashtags, cashtags and URLs, each with its place.

Leaf module. `start` and `end` are offsets in Unicode code points, half open, so that
`text[start:end]` is the entity as written, its sign (`@`, `#`, `$`) included.
"""

import msgspec


class Mention(msgspec.Struct, frozen=True, gc=False):
    """`@username`, or the list `@username/list_slug`.

    `username` is as written: neither folded in case nor looked up. `list_slug` comes without
    its slash and is None for a plain mention.
    """

    username: str
    start: int
    end: int
    list_slug: str | None = None


class Hashtag(msgspec.Struct, frozen=True, gc=False):
    """`#tag`; `tag` is as written, without the sign."""

    tag: str
    start: int
    end: int


class Cashtag(msgspec.Struct, frozen=True, gc=False):
    """`$symbol`; `symbol` is as written, without the sign."""

    symbol: str
    start: int
    end: int


class Url(msgspec.Struct, frozen=True, gc=False):
    """A URL, with or without its protocol, exactly as written: `text[start:end] == url`."""

    url: str
    start: int
    end: int


class Entities(msgspec.Struct, frozen=True):
    """Everything found in one text: each kind in the order of the text, no two overlapping."""

    mentions: tuple[Mention, ...] = ()
    hashtags: tuple[Hashtag, ...] = ()
    cashtags: tuple[Cashtag, ...] = ()
    urls: tuple[Url, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is any entity at all."""
        return bool(self.mentions or self.hashtags or self.cashtags or self.urls)
