"""What stands above and below a tweet in its conversation."""

import random
from collections.abc import Sequence

import pytest

from rookery.errors import InvalidCursor, NotFound
from rookery.models import Identity, Tweet
from rookery.services.ports import Invalidation
from rookery.services.reading import context
from rookery.services.reading.context import MAX_ANCESTORS, MAX_DEPTH
from rookery.services.reading.shown import Place, Unavailable, id_of
from rookery.store.engine import Collection, Delete, Document, Key, WriteBatch
from rookery.store.schema import TOMBSTONES, TWEETS
from tests.unit.services.reading.rows import add, block, mute
from tests.unit.services.server import Server


async def chain(server: Server, author: Identity, length: int) -> list[Tweet]:
    """A tweet, and replies each to the one before."""
    tweets = [await server.post(author)]
    for _ in range(length - 1):
        tweets.append(await server.post(author, "reply", tweets[-1]))
    return tweets


def ids(places: Sequence[Place]) -> list[int]:
    return [id_of(place) for place in places]


async def whole(server: Server, tweet_id: int, limit: int) -> list[int]:
    """All descendants, page by page."""
    found: list[int] = []
    after = 0
    while True:
        context = await server.conversations.context(None, tweet_id, after, limit)
        assert len(context.descendants) <= limit
        assert not (after and context.ancestors)
        found += ids(context.descendants)
        after = context.next_id
        if not after:
            return found


async def test_ancestors_come_from_the_root_down() -> None:
    """The tweet itself is not among them."""
    server = Server()
    ann = await server.sign_up("ann")
    tweets = await chain(server, ann, 4)
    context = await server.conversations.context(None, tweets[-1].id, 0, 20)
    assert ids(context.ancestors) == [tweet.id for tweet in tweets[:-1]]
    assert (context.descendants, context.next_id) == ([], 0)


async def test_a_deleted_ancestor_keeps_its_place() -> None:
    """And what is above it is found by its tombstone."""
    server = Server()
    ann = await server.sign_up("ann")
    tweets = await chain(server, ann, 5)
    for tweet in tweets[1:3]:
        await server.tweets.delete(ann, tweet.id)
    context = await server.conversations.context(None, tweets[-1].id, 0, 20)
    assert ids(context.ancestors) == [tweet.id for tweet in tweets[:-1]]


async def test_without_a_tombstone_a_deleted_ancestor_is_the_first() -> None:
    """As of tweets that an earlier release deleted."""
    server = Server()
    ann = await server.sign_up("ann")
    tweets = await chain(server, ann, 4)
    await server.tweets.delete(ann, tweets[1].id)
    await server.store.write(WriteBatch((Delete(TOMBSTONES.name, (tweets[1].id,)),)))
    context = await server.conversations.context(None, tweets[-1].id, 0, 20)
    assert ids(context.ancestors) == [tweets[1].id, tweets[2].id]


async def test_ancestors_are_bounded() -> None:
    """The nearest ones, with a bounded number of reads."""
    server = Server()
    ann = await server.sign_up("ann")
    tweets = await chain(server, ann, MAX_ANCESTORS + 20)
    server.store.reads.clear()
    context = await server.conversations.context(None, tweets[-1].id, 0, 20)
    assert ids(context.ancestors) == [tweet.id for tweet in tweets[-MAX_ANCESTORS - 1 : -1]]
    assert sum(server.store.reads.values()) < 10


async def test_ancestors_far_apart_are_read_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a few reads of neighbours among which the next one never was."""
    monkeypatch.setattr(context, "MAX_ANCESTORS", 6)
    server = Server()
    ann = await server.sign_up("ann")
    links = [await server.post(ann)]
    for _ in range(8):
        for _ in range(7):
            await server.post(ann, "between", links[0])
        links.append(await server.post(ann, "link", links[-1]))
    bodies = 0
    get_many = server.store.get_many

    async def counted(collection: Collection, keys: Sequence[Key]) -> list[Document | None]:
        nonlocal bodies
        bodies += len(keys) if collection is TWEETS else 0
        return await get_many(collection, keys)

    monkeypatch.setattr(server.store, "get_many", counted)
    found = await server.conversations.context(None, links[-1].id, 0, 20)
    assert ids(found.ancestors) == [tweet.id for tweet in links[-7:-1]]
    assert bodies <= context.NEIGHBOUR_READS * 7


async def test_deleted_ancestors_are_read_alone() -> None:
    """Where their neighbours are known already, nothing is gained by reading those again."""
    server = Server()
    ann = await server.sign_up("ann")
    tweets = await chain(server, ann, 12)
    for tweet in tweets[2:10:2]:
        await server.tweets.delete(ann, tweet.id)
    server.store.reads.clear()
    found = await server.conversations.context(None, tweets[-1].id, 0, 20)
    assert ids(found.ancestors) == [tweet.id for tweet in tweets[:-1]]
    assert server.store.reads["select"] <= 2


async def test_descendants_come_as_one_reads_them() -> None:
    """Each reply is followed by its own replies; replies to one tweet by age."""
    server = Server()
    ann = await server.sign_up("ann")
    root = await server.post(ann, "root")
    a = await server.post(ann, "a", root)
    b = await server.post(ann, "b", root)
    a1 = await server.post(ann, "a1", a)
    b1 = await server.post(ann, "b1", b)
    a2 = await server.post(ann, "a2", a)
    expected = [tweet.id for tweet in (a, a1, a2, b, b1)]
    for limit in range(1, 8):
        assert await whole(server, root.id, limit) == expected
    assert await whole(server, b.id, 20) == [b1.id]


async def test_a_random_tree_is_walked_whole_and_in_order() -> None:
    """Whatever the size of the pages; deleted leaves are gone, deleted branches lead on."""
    random.seed(12)
    server = Server()
    ann = await server.sign_up("ann")
    tweets = [await server.post(ann)]
    for _ in range(60):
        tweets.append(await server.post(ann, "reply", random.choice(tweets[-12:])))
    gone = {tweet.id for tweet in random.sample(tweets[1:], 20)}
    for tweet_id in gone:
        await server.tweets.delete(ann, tweet_id)
    children: dict[int | None, list[int]] = {}
    for tweet in tweets:
        children.setdefault(tweet.reply_to_id, []).append(tweet.id)

    def below(tweet_id: int) -> list[int]:
        found = []
        for child in children.get(tweet_id, []):
            under = below(child)
            if under or child not in gone:
                found += [child, *under]
        return found

    for limit in (1, 2, 7, 100):
        assert await whole(server, tweets[0].id, limit) == below(tweets[0].id)


async def test_reading_goes_on_behind_a_tweet_that_was_deleted_meanwhile() -> None:
    """The place is known, whoever stood there."""
    server = Server()
    ann = await server.sign_up("ann")
    root = await server.post(ann)
    replies = [await server.post(ann, "reply", root) for _ in range(4)]
    first = await server.conversations.context(None, root.id, 0, 2)
    await server.tweets.delete(ann, replies[1].id)
    rest = await server.conversations.context(None, root.id, first.next_id, 2)
    assert ids(rest.descendants) == [reply.id for reply in replies[2:]]
    assert rest.next_id == 0


async def test_descendants_are_bounded_in_depth() -> None:
    """What is below that is the context of the deepest."""
    server = Server()
    ann = await server.sign_up("ann")
    tweets = await chain(server, ann, MAX_DEPTH + 5)
    expected = [tweet.id for tweet in tweets[1 : MAX_DEPTH + 1]]
    assert await whole(server, tweets[0].id, 33) == expected
    assert await whole(server, tweets[MAX_DEPTH].id, 20) == [t.id for t in tweets[-4:]]


async def test_a_flat_discussion_takes_few_reads() -> None:
    """Leaves are not asked one by one."""
    server = Server()
    ann = await server.sign_up("ann")
    root = await server.post(ann)
    for _ in range(50):
        await server.post(ann, "reply", root)
    server.store.reads.clear()
    await server.conversations.context(None, root.id, 0, 100)
    assert sum(server.store.reads.values()) <= 4


async def test_a_position_of_another_conversation_is_refused() -> None:
    """It would lead to tweets that do not belong here."""
    server = Server()
    ann = await server.sign_up("ann")
    one, other = await chain(server, ann, 3), await chain(server, ann, 3)
    with pytest.raises(InvalidCursor):
        await server.conversations.context(None, one[0].id, other[1].id, 20)
    with pytest.raises(InvalidCursor):
        await server.conversations.context(None, one[1].id, 404, 20)


async def test_the_context_of_a_deleted_tweet_is_not_found() -> None:
    """As the tweet itself."""
    server = Server()
    ann = await server.sign_up("ann")
    tweets = await chain(server, ann, 3)
    await server.tweets.delete(ann, tweets[1].id)
    with pytest.raises(NotFound, match="Tweet not found"):
        await server.conversations.context(None, tweets[1].id, 0, 20)


async def test_hidden_descendants_keep_a_place_only_where_something_leads_on() -> None:
    """Leaves and branches that show nothing are gone; muted ones stand as hidden."""
    server = Server()
    ann, bob, cyd, dan = [await server.sign_up(name) for name in ("ann", "bob", "cyd", "dan")]
    root = await server.post(ann, "root")
    blocked_leaf = await server.post(bob, "leaf", root)
    branch = await server.post(bob, "branch", root)
    below = await server.post(bob, "below", branch)
    shown = await server.post(cyd, "shown", below)
    muted = await server.post(dan, "muted", root)
    last = await server.post(cyd, "last", muted)
    empty = await server.post(dan, "empty", root)
    await server.post(bob, "nothing", empty)
    await add(server.store, *block(bob.user_id, ann.user_id), mute(ann.user_id, dan.user_id))
    expected = [
        (branch.id, "hidden"),
        (below.id, "hidden"),
        (shown.id, None),
        (muted.id, "hidden"),
        (last.id, None),
    ]
    for limit in range(1, 7):
        found: list[tuple[int, str | None]] = []
        after = 0
        while True:
            page = await server.conversations.context(ann.user_id, root.id, after, limit)
            found += [
                (id_of(each), each.reason if isinstance(each, Unavailable) else None)
                for each in page.descendants
            ]
            after = page.next_id
            if not after:
                break
        assert found == expected
    assert blocked_leaf.id in await whole(server, root.id, 20)
    above = await server.conversations.context(ann.user_id, last.id, 0, 20)
    assert ids(above.ancestors) == [root.id, muted.id]
    assert all(not isinstance(each, Unavailable) for each in above.ancestors)
    with pytest.raises(NotFound):
        await server.conversations.context(ann.user_id, branch.id, 0, 20)


async def test_hidden_replies_do_not_crowd_out_those_behind_them() -> None:
    """More of one parent's replies are hidden than are read at once."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    root = await server.post(ann, "root")
    for _ in range(12):
        await server.post(bob, "noise", root)
    behind = await server.post(ann, "behind", root)
    await add(server.store, *block(ann.user_id, bob.user_id))
    server.reading.invalidate(Invalidation(viewers=[ann.user_id, bob.user_id]))
    page = await server.conversations.context(ann.user_id, root.id, 0, 2)
    assert (ids(page.descendants), page.next_id) == ([behind.id], 0)
