"""Lists of the same pairs agree, and pairs that cannot be together are told of."""

import pytest

from rookery.services.checking.findings import WrongReference
from rookery.services.checking.pairs import CONTRADICTIONS, MIRRORS, Mirror
from rookery.services.checking.references import References
from rookery.services.checking.rows import fields_of, key_of, owner_of
from rookery.store.engine import Collection, Delete, Insert, Operation, Put, WriteBatch
from rookery.store.records.viewers import MARKED, Marks
from rookery.store.schema import (
    BLOCKED_BY,
    BLOCKS,
    BOOKMARKERS,
    BOOKMARKS,
    FOLLOW_REQUESTS,
    FOLLOWEES,
    FOLLOWERS,
    POSTS,
    REMOVALS,
    RETWEETED,
    RETWEETS,
    SENT_REQUESTS,
    TWEET_COUNTS,
    TWEETS,
    USER_COUNTS,
)
from tests.unit.services.server import Server

FOLLOW = {"follower_id": 1, "followee_id": 2, "follow_id": 3}
REQUEST = {"follower_id": 1, "followee_id": 2, "request_id": 3}
VALUES = {
    **FOLLOW, **REQUEST, "blocker_id": 1, "blocked_id": 2, "block_id": 3,
    "user_id": 1, "tweet_id": 2, "favourite_id": 3, "bookmark_id": 3,
    "author_id": 1, "original_id": 5,
}  # fmt: skip


async def check(server: Server, *, repair: bool) -> list[WrongReference]:
    references = References(server.store, server.tweets.removals)
    return [wrong async for each in references.run(repair=repair) for wrong in each.wrong]


async def write(server: Server, *operations: Operation) -> None:
    await server.store.write(WriteBatch(operations))


def tweet(tweet_id: int, **fields: object) -> tuple[Operation, ...]:
    """A tweet of user 1, its post, and a row of counts."""
    document = {
        "id": tweet_id, "author_id": 1, "version": 1, "text": "x", "conversation_id": tweet_id,
        **fields,
    }  # fmt: skip
    return (
        Insert(TWEETS.name, document),
        Insert(POSTS.name, {"author_id": 1, "tweet_id": tweet_id, "kind": 0}),
        Insert(TWEET_COUNTS.name, dict.fromkeys(TWEET_COUNTS.columns, 0) | {"tweet_id": tweet_id}),
    )


async def with_tweets() -> Server:
    """Tweets 5 and 2 of user 1, who has no account; so nobody's counts are looked at."""
    server = Server()
    await write(server, *tweet(5), *tweet(2, retweet_of_id=5))
    return server


def insert(collection: Collection, **changed: int) -> Insert:
    row = VALUES | changed
    return Insert(collection.name, {name: row[name] for name in fields_of(collection)})


def about_pairs(found: list[WrongReference]) -> list[tuple[str, int, int | None, str]]:
    return [(each.owner, each.id, each.other, each.what) for each in found if each.other]


@pytest.mark.parametrize("mark", Marks, ids=lambda mark: str(mark.name))
def test_both_lists_of_each_mark_are_compared(mark: Marks) -> None:
    """That of who marks, and that of the tweet."""
    collection, _ = MARKED[mark]
    assert any(collection in (mirror.kept, mirror.other) for mirror in MIRRORS)


@pytest.mark.parametrize("mirror", MIRRORS, ids=lambda mirror: mirror.kept.name)
async def test_what_the_acting_users_list_says_is_made_up_for(mirror: Mirror) -> None:
    """A block is kept, a follow goes on, whatever half of it got lost."""
    server = await with_tweets()
    await write(server, insert(mirror.kept))
    expected = [
        (
            owner_of(mirror.kept),
            *key_of(mirror.kept, VALUES),
            f"{mirror.kept.name} without {mirror.other.name}",
        )
    ]
    assert about_pairs(await check(server, repair=False)) == expected
    assert server.store.documents(mirror.other) == []
    assert about_pairs(await check(server, repair=True)) == expected
    document = insert(mirror.other).document
    assert server.store.documents(mirror.other) == [document]
    assert server.store.documents(mirror.kept) == [insert(mirror.kept).document]
    assert await check(server, repair=False) == []


@pytest.mark.parametrize("mirror", MIRRORS, ids=lambda mirror: mirror.kept.name)
async def test_what_stands_in_the_other_list_alone_goes(mirror: Mirror) -> None:
    """Nobody wanted it, as far as can be told."""
    server = await with_tweets()
    await write(server, insert(mirror.other))
    ((*_, what),) = about_pairs(await check(server, repair=True))
    assert what == f"{mirror.other.name} without {mirror.kept.name}"
    assert server.store.documents(mirror.other) == server.store.documents(mirror.kept) == []
    assert await check(server, repair=False) == []


async def test_halves_of_different_acts_are_made_one() -> None:
    """Positions in the two lists of a follow are the same."""
    server = Server()
    await write(server, insert(FOLLOWEES), insert(FOLLOWERS, follow_id=9))
    found = about_pairs(await check(server, repair=True))
    assert found == [("user", 1, 2, "followees without followers")]
    assert server.store.documents(FOLLOWERS) == [FOLLOW]
    assert await check(server, repair=False) == []


async def test_a_pair_that_comes_or_goes_meanwhile_is_not_called_wrong() -> None:
    """Its halves are read one after the other."""
    server = Server()
    await write(server, insert(BLOCKS), insert(BLOCKS, blocker_id=8))
    read = server.store.get_many
    acts: list[tuple[Operation, ...]] = [
        (Insert(BLOCKED_BY.name, insert(BLOCKED_BY).document), Delete(BLOCKS.name, (8, 2)))
    ]

    async def hooked(collection: Collection, keys: object) -> object:
        found = await read(collection, keys)  # type: ignore[arg-type]
        if collection is BLOCKED_BY and acts:
            await write(server, *acts.pop())
        return found

    server.store.get_many = hooked  # type: ignore[method-assign,assignment]
    assert await check(server, repair=True) == []
    assert acts == []


async def test_a_repair_is_made_only_of_what_still_stands() -> None:
    """A block that ends in the last moment does not come back by half."""
    server = Server()
    await write(server, insert(BLOCKS))

    async def unblock(_: WriteBatch) -> None:
        server.store.before_write = None
        await write(server, Delete(BLOCKS.name, (1, 2)))

    server.store.before_write = unblock
    assert await check(server, repair=True) == []
    assert server.store.documents(BLOCKED_BY) == []


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ((FOLLOWEES, FOLLOWERS), CONTRADICTIONS[0].what),
        ((SENT_REQUESTS, FOLLOW_REQUESTS), CONTRADICTIONS[2].what),
    ],
)
@pytest.mark.parametrize("is_of_the_blocked", [False, True])
async def test_nobody_follows_or_asks_across_a_block(
    rows: tuple[Collection, Collection], what: str, is_of_the_blocked: bool
) -> None:
    """In whichever direction: the block stays, and the counts follow."""
    server = Server()
    ends = {"blocker_id": 2, "blocked_id": 1} if is_of_the_blocked else {}
    counts = [
        Put(USER_COUNTS.name, dict.fromkeys(USER_COUNTS.columns, 1) | {"user_id": user_id})
        for user_id in (1, 2)
    ]
    await write(server, *map(insert, rows), insert(BLOCKS, **ends), insert(BLOCKED_BY, **ends))
    await write(server, *counts)
    found = about_pairs(await check(server, repair=True))
    other = {rule.what for rule in CONTRADICTIONS[1::2]}
    assert [each[:3] for each in found] == [("user", 1, 2)]
    assert (found[0][3] in other) if is_of_the_blocked else (found[0][3] == what)
    assert [server.store.documents(each) for each in rows] == [[], []]
    assert len(server.store.documents(BLOCKS)) == 1
    follower, followee = server.store.documents(USER_COUNTS)
    is_follow = FOLLOWEES in rows
    assert (follower["followees"], followee["followers"]) == ((0, 0) if is_follow else (1, 1))
    assert await check(server, repair=False) == []


async def test_who_follows_does_not_ask() -> None:
    """The request goes, the follow stays; another one's request is none of it."""
    server = Server()
    pairs = (SENT_REQUESTS, FOLLOW_REQUESTS)
    await write(server, insert(FOLLOWEES), insert(FOLLOWERS), *map(insert, pairs))
    await write(server, *(insert(each, follower_id=7) for each in pairs))
    assert about_pairs(await check(server, repair=True)) == [("user", 1, 2, "asks but follows")]
    assert [row["follower_id"] for row in server.store.documents(SENT_REQUESTS)] == [7]
    assert server.store.documents(FOLLOWEES) == [FOLLOW]


async def test_a_tweet_that_is_retweeted_again_keeps_one_retweet() -> None:
    """The one that is listed as the user's; the other is deleted with its post and counts."""
    server = await with_tweets()
    ann = await server.sign_up("ann")
    mine = {"author_id": ann.user_id, "original_id": 5}
    retweets = [
        operation
        for tweet_id in (11, 12)
        for operation in (
            *tweet(tweet_id, author_id=ann.user_id, retweet_of_id=5),
            Delete(POSTS.name, (1, tweet_id)),
            Insert(POSTS.name, {"author_id": ann.user_id, "tweet_id": tweet_id, "kind": 2}),
            Insert(RETWEETS.name, mine | {"tweet_id": tweet_id}),
        )
    ]
    counts = dict.fromkeys(TWEET_COUNTS.columns, 0) | {"tweet_id": 5, "retweets": 2}
    of_ann = dict.fromkeys(USER_COUNTS.columns, 0) | {"user_id": ann.user_id, "tweets": 2}
    await write(
        server,
        *retweets,
        Insert(RETWEETED.name, mine | {"tweet_id": 11}),
        Put(TWEET_COUNTS.name, counts),
        Put(USER_COUNTS.name, of_ann),
    )
    expected = [("tweet", 5, 12, "retweeted again")]
    assert about_pairs(await check(server, repair=False)) == expected
    assert about_pairs(await check(server, repair=True)) == expected
    assert server.store.documents(RETWEETS) == [mine | {"tweet_id": 11}]
    assert server.store.documents(RETWEETED) == [mine | {"tweet_id": 11}]
    assert [row["id"] for row in server.store.documents(TWEETS)] == [2, 5, 11]
    assert server.store.documents(REMOVALS) == []
    assert await check(server, repair=False) == []
    told = [change for change in server.broadcasts.sent if 12 in change.tweets]
    assert [5 in change.counts for change in told] == [True]


async def test_many_pairs_are_compared_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are of one user, and of each user."""
    server = Server()
    pairs = [(user_id, tweet_id) for user_id in range(3) for tweet_id in range(300)]
    rows = [{"user_id": user, "tweet_id": tweet_id, "bookmark_id": 1} for user, tweet_id in pairs]
    await write(
        server,
        *(operation for tweet_id in range(300) for operation in tweet(tweet_id)),
        *(Insert(BOOKMARKS.name, row) for row in rows),
        *(
            Insert(BOOKMARKERS.name, {"user_id": user, "tweet_id": tweet_id})
            for user, tweet_id in pairs
            if tweet_id != 250
        ),
    )
    found = about_pairs(await check(server, repair=True))
    assert [(id_, other) for _, id_, other, _ in found] == [(0, 250), (1, 250), (2, 250)]
    assert await check(server, repair=False) == []
