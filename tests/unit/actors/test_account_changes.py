"""`rookery.actors.account_changes`: deliveries by what accounts are now."""

from typing import Any

import pytest

from rookery.actors.account_changes import AccountChanges
from rookery.domain.recent_accounts import SETTLING_MS
from rookery.events.encoding import read_record, tweet_record
from rookery.events.kinds import TweetRecord
from rookery.ids import first_id_at
from rookery.messages import Delivery
from rookery.models import EventKind, PostKind, Tweet, User
from rookery.store.engine import Put, WriteBatch
from rookery.store.schema import USERS
from tests.unit.memory_store import MemoryStore

START_MS = 1_790_000_000_000
ADA, BOB, CYD = (
    User(id=number, username=name, name=name)
    for number, name in enumerate(("ada", "bob", "cyd"), start=1)
)
OLD, NEW = first_id_at(START_MS), first_id_at(START_MS + SETTLING_MS)


class World:
    """A shard's knowledge of accounts over a store that has Ada, Bob and Cyd."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.accounts = AccountChanges(self.store.reader, lambda: START_MS)

    async def set(self, user: User, **fields: Any) -> None:
        document = {
            "id": user.id,
            "username": user.username,
            "name": user.name,
            "version": 1,
            **fields,
        }
        await self.store.write(WriteBatch((Put(USERS.name, document),)))

    async def judged(self, delivery: Delivery) -> Delivery:
        looked_up = await self.accounts.look_up([delivery])
        return self.accounts.brought_up_to_date(delivery, looked_up)

    @property
    def reads(self) -> int:
        return sum(self.store.reads.values())


@pytest.fixture
async def world() -> World:
    made = World()
    for user in (ADA, BOB, CYD):
        await made.set(user)
    return made


def tweet_of(author: User, tweet_id: int, mentions: tuple[User, ...] = (), **fields: Any) -> Tweet:
    entities = {"mentions": [{"username": each.username, "id": str(each.id)} for each in mentions]}
    return Tweet(
        id=tweet_id,
        author_id=author.id,
        text="text",
        conversation_id=tweet_id,
        entities=entities,
        **fields,
    )


def delivered(
    event_id: int = NEW,
    *,
    kind: int = 0,
    event: EventKind = EventKind.TWEET,
    author: User = BOB,
    original: User | None = ADA,
    **fields: Any,
) -> Delivery:
    """Of a tweet by Bob that shows one by Ada, which mentions Cyd."""
    record = b""
    if event != EventKind.TWEET_DELETED:
        shown = None if original is None else TweetRecord(tweet_of(ADA, 5, (CYD,)), original)
        record = tweet_record(tweet_of(author, event_id), author, shown)
    return Delivery(
        event_id,
        event,
        event_id,
        author.id,
        post_kind=kind,
        original_author_id=None if original is None else original.id,
        record=record,
        **fields,
    )


KINDS = pytest.mark.parametrize("kind", [PostKind.RETWEET, PostKind.QUOTE], ids=str)


@KINDS
async def test_where_nobody_changed_nothing_is_read(world: World, kind: PostKind) -> None:
    """The delivery is passed on as it is."""
    delivery = delivered(kind=kind)
    assert await world.judged(delivery) is delivery
    assert world.reads == 0


@KINDS
async def test_an_original_that_turned_private_is_for_its_followers(
    world: World, kind: PostKind
) -> None:
    """And for its author and those whom it mentions; nothing is read for it."""
    await world.set(ADA, is_private=True)
    await world.accounts.changed([ADA.id])
    world.store.reads.clear()
    judged = await world.judged(delivered(kind=kind))
    assert (judged.audience, judged.original_audience) == (None, [ADA.id, CYD.id])
    assert world.reads == 0
    gone = delivered(kind=kind, event=EventKind.TWEET_DELETED)
    assert (await world.judged(gone)).original_audience == [ADA.id]
    written = delivered(kind=kind, original_audience=[ADA.id, BOB.id])
    assert await world.judged(written) is written
    own = delivered(kind=kind, author=ADA)
    assert await world.judged(own) is own
    await world.set(ADA, is_private=False)
    await world.accounts.changed([ADA.id])
    assert (await world.judged(delivered(kind=kind))).original_audience is None


async def test_the_retweet_of_who_is_suspended_is_for_nobody(world: World) -> None:
    """Of a quote the rest is for all."""
    await world.set(ADA, status="suspended")
    await world.accounts.changed([ADA.id])
    retweet = delivered(kind=PostKind.RETWEET)
    assert (await world.judged(retweet)).audience == []
    quote = delivered(kind=PostKind.QUOTE)
    judged = await world.judged(quote)
    assert judged.audience is None
    record = read_record(judged.record)
    assert (record.original, record.tweet) == (None, read_record(quote.record).tweet)


async def test_what_who_is_suspended_posted_is_for_nobody(world: World) -> None:
    """Whatever it is; what was for some is for none of them."""
    await world.set(BOB, status="suspended")
    await world.accounts.changed([BOB.id])
    for each in (
        delivered(original=None),
        delivered(kind=PostKind.QUOTE),
        delivered(audience=[BOB.id, CYD.id]),
        delivered(event=EventKind.TWEET_DELETED),
    ):
        assert (await world.judged(each)).audience == []


async def test_events_of_long_ago_have_their_accounts_looked_up(world: World) -> None:
    """Nobody may have told of a change; all of a batch take one read."""
    await world.set(ADA, is_private=True)
    await world.set(BOB, status="suspended")
    late = [delivered(OLD + n, kind=PostKind.RETWEET, author=CYD) for n in range(3)]
    late.append(delivered(OLD + 3, original=None))
    looked_up = await world.accounts.look_up([delivered(), *late])
    assert world.reads == 1
    judged = [world.accounts.brought_up_to_date(each, looked_up) for each in late]
    assert [each.original_audience for each in judged] == [[ADA.id, CYD.id]] * 3 + [None]
    assert [each.audience for each in judged] == [None] * 3 + [[]]


async def test_what_was_told_meanwhile_counts_more_than_what_was_looked_up(world: World) -> None:
    """A look-up may have begun before the change."""
    delivery = delivered(OLD, kind=PostKind.RETWEET)
    looked_up = await world.accounts.look_up([delivery])
    await world.set(ADA, is_private=True)
    await world.accounts.changed([ADA.id, ADA.id, 404])
    judged = world.accounts.brought_up_to_date(delivery, looked_up)
    assert judged.original_audience == [ADA.id, CYD.id]


@KINDS
async def test_a_record_that_cannot_be_read_is_for_no_more_people(
    world: World, kind: PostKind
) -> None:
    """Who is mentioned is not known then; nobody can show it either."""
    for fields in ({"is_private": True}, {"status": "suspended"}):
        await world.set(ADA, **fields)
        await world.accounts.changed([ADA.id])
        broken = Delivery(NEW, EventKind.TWEET, NEW, BOB.id, int(kind), 0, ADA.id, record=b"\xc1")
        judged = await world.judged(broken)
        assert judged.record == b"\xc1"
        is_limited = judged.audience == [] or judged.original_audience == [ADA.id]
        assert is_limited is (kind == PostKind.RETWEET or "is_private" in fields)
