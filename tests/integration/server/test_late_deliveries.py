"""What is delivered again, late: to shards that no longer know what has happened since."""

from rookery.actors import names
from rookery.events.kinds import TweetPosted
from rookery.ids import first_id_at
from rookery.store import clock_ms
from rookery.store.engine import WriteBatch
from rookery.store.records.outbox import adding
from tests.integration.server.world import ServerThread, World, settled, until


async def test_a_tweet_that_comes_after_its_deletion_reaches_nobody(
    inline_server: ServerThread, inline_world: World
) -> None:
    """Neither a timeline nor a connection, although the shard has begun anew in between."""
    author, follower = await inline_world.people(2)
    await follower.follow(author)
    deleted = await author.post("soon deleted")
    await author.client.delete_tweet(deleted)
    await settled(inline_world)
    await inline_server.kill(names.timeline_shard(0))
    listener = await follower.listen()
    assert await follower.home() == []
    again = TweetPosted(
        id=first_id_at(clock_ms() - 5_000),
        tweet_id=deleted,
        author_id=author.id,
        conversation_id=deleted,
    )
    writer = inline_server.server.backend.writer
    await inline_server.on_loop(writer.write(WriteBatch((adding(again),))))
    await settled(inline_world)
    last = await author.post("still here")
    await listener.until(lambda: listener.tweet_ids)
    assert listener.tweet_ids == await follower.home() == [last]
    assert await inline_world.faults() == []


async def test_a_shard_that_begins_anew_is_not_given_a_celebritys_deleted_tweets(
    inline_server: ServerThread, inline_world: World
) -> None:
    """It would list them, and nobody would ever tell it that they are deleted."""
    celebrity, *followers = await inline_world.people(7)
    for follower in followers:
        await follower.follow(celebrity)

    async def is_listed() -> bool:
        return celebrity.id in await inline_server.actor(names.CELEBRITY_LISTS, "members")

    await until(is_listed, what="a celebrity")
    deleted, kept = [await celebrity.post(text) for text in ("soon deleted", "kept")]
    await settled(inline_world)
    await celebrity.client.delete_tweet(deleted)
    await settled(inline_world)
    await inline_server.kill(names.timeline_shard(0))
    for follower in followers:
        assert await follower.home() == [kept]
    assert await inline_world.faults() == []
