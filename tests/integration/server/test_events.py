"""What a consumer of events cannot take, on a server with SQLite and no Redis."""

from rookery.actors import names
from rookery.events.kinds import FollowChanged
from rookery.store.engine import WriteBatch
from rookery.store.records.outbox import adding
from tests.integration.server.world import ServerThread, World, settled, until


async def test_poison_is_put_aside_shown_and_retried(
    inline_server: ServerThread, inline_world: World
) -> None:
    """Posts before and after it arrive; the operator sees it, and can have it tried again."""
    author, follower = await inline_world.people(2)
    await follower.follow(author)
    listener = await follower.listen()
    backend = inline_server.server.backend
    no_such_id = (1 << 64) - 1  # no engine can look for it
    poison = FollowChanged(
        id=backend.lease.next_id(), follower_id=author.id, followee_id=no_such_id, follows=True
    )
    before = await author.post("before")
    await inline_server.on_loop(backend.store.writer.write(WriteBatch((adding(poison),))))
    posted = [before]

    async def is_aside() -> bool:
        posted.append(await author.post("and on"))
        figures = await inline_server.actor(names.FANOUT_WORKER, "figures_now")
        return bool(figures["events_put_aside"] == figures["timelines_put_aside"] == 1)

    await until(is_aside, what="an event put aside")
    await settled(inline_world)
    await listener.until(lambda: len(listener.tweet_ids) == len(posted))
    assert listener.tweet_ids == posted
    listed = await inline_world.control("events")
    assert (listed["consumer"], listed["id"], listed["kind"]) == (
        "timelines",
        str(poison.id),
        "follow_changed",
    )
    assert await inline_world.control("events", consumer="other") is None
    assert await inline_world.control("retry-events", consumer="other") == 0
    assert await inline_world.control("retry-events") == 1
    await until(is_aside, what="put aside again")
