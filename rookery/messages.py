"""What processes tell each other, where more than one room must know its shape.

Leaf module. All of it crosses process borders as MessagePack, in batches (`rookery.actors.calls`).
"""

import msgspec


class Delivery(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A change of a tweet, on its way to the timelines.

    `event_id` is the same whenever it comes again. `event_kind` is an `EventKind`; `post_kind` are
    the tweet's `PostKind` bits. The rest is as in `rookery.events.kinds`; `record` is empty for a
    deletion.
    """

    event_id: int
    event_kind: int
    tweet_id: int
    author_id: int
    post_kind: int = 0
    conversation_id: int = 0
    original_author_id: int | None = None
    audience: list[int] | None = None
    record: bytes = b""
    original_conversation_id: int | None = None
    original_audience: list[int] | None = None


class Push(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One event for many users of a connection server.

    `event_kind` is an `EventKind`. `record` is a `rookery.events.kinds.TweetRecord` as MessagePack;
    empty where there is nothing to show. `user_ids` and `offsets` are parallel little-endian int64
    arrays. `hides_quote`: none of these users may see the tweet that the record quotes.
    """

    event_kind: int
    subject_id: int
    record: bytes
    user_ids: bytes
    offsets: bytes
    hides_quote: bool = False


AttachRequest = tuple[int, str, str, str | None, int | None]
"""User id, connection server, its incarnation, and the client's (epoch, offset), if any."""

AttachAnswer = tuple[str, int, list[tuple[int, int, int]] | None]
"""Epoch, offset, and (offset, `EventKind`, subject id) of each event missed since the client's
position; None if that cannot be told."""


class TimelineSlice(msgspec.Struct, frozen=True, array_like=True):
    """A stretch of a home timeline, newest first.

    `next_before`: where the next read starts; 0 when the history ends here. `from_store`: what
    the timeline holds ends here, and older entries come from the store, below `next_before`.
    """

    ids: list[int]
    next_before: int
    from_store: bool = False


class Invalidation(msgspec.Struct, frozen=True, array_like=True):
    """What caches must forget.

    `devices`: (user id, device id) that were revoked; with an empty device id all of the user's.
    `sign_ins`: (user id, device id, session) that ended because the device signed in anew.
    `tweets`: ids that were edited or deleted. `counts`: ids of tweets whose counts changed.
    `users`: ids whose profile changed. `viewers`: ids of users who marked something, or whose
    hidden ids, follows or role changed.
    """

    devices: list[tuple[int, str]] = []
    tweets: list[int] = []
    counts: list[int] = []
    users: list[int] = []
    viewers: list[int] = []
    sign_ins: list[tuple[int, str, str]] = []


class WarmTimeline(msgspec.Struct, frozen=True, array_like=True):
    """All that memory serves of one timeline: (id, kind) newest first, complete from `floor` up.

    `following` are the authors whose posts reach it, the user included. `is_sound`: its ring is in
    the order that it is believed to be in.
    """

    posts: list[tuple[int, int]]
    floor: int
    following: list[int]
    is_sound: bool
