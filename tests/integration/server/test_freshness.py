"""Who may see what changes at once: in the next read of every process, and in the next push."""

import asyncio
from typing import Any

import aiohttp

from tests.integration.server.world import Listener, Person, World, settled

CONNECTIONS = 12
"""So many spread over all gateways."""


class Everywhere:
    """What a path answers to somebody, through every gateway."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def answers(self, who: Person, path: str) -> set[tuple[int, tuple[int, ...]]]:
        """Status and ids of the tweets of each answer."""

        async def ask() -> tuple[int, tuple[int, ...]]:
            headers = {"Authorization": f"Bearer {who.session.token}", "Connection": "close"}
            async with aiohttp.ClientSession(headers=headers) as http:
                async with http.get(f"{self._world.url}/api/v1{path}") as answer:
                    body: dict[str, Any] = await answer.json()
                    return answer.status, tuple(int(each["id"]) for each in body.get("tweets", ()))

        return set(await asyncio.gather(*(ask() for _ in range(CONNECTIONS))))

    async def sees(self, who: Person, tweet_id: int) -> bool:
        """Whether somebody gets a tweet; of every gateway the same."""
        ((status, _),) = await self.answers(who, f"/tweets/{tweet_id}")
        assert status in (200, 404)
        return status == 200

    async def lists(self, who: Person, whose: Person) -> tuple[int, tuple[int, ...]]:
        """What somebody gets as another one's timeline, of every gateway."""
        (answer,) = await self.answers(who, f"/timeline/user/{whose.id}")
        return answer

    async def home(self, who: Person) -> tuple[int, ...]:
        """What somebody gets as home, of every gateway."""
        ((status, ids),) = await self.answers(who, "/timeline/home")
        assert status == 200
        return ids


async def heard(world: World, listener: Listener, who: Person, tweet_id: int) -> bool:
    """Whether somebody was told of a tweet; all that came before is waited for."""
    await settled(world)
    marker = await who.post("marker")
    await listener.until(lambda: marker in listener.tweet_ids)
    return tweet_id in listener.tweet_ids


async def test_private_accounts(world: World) -> None:
    """Turning private, approving, removing a follower, turning public."""
    everywhere = Everywhere(world)
    ada, bob = await world.people(2)
    hearing = await bob.listen()
    first = await ada.post("first")
    assert await everywhere.sees(bob, first)
    await ada.client.update_privacy(is_private=True)
    assert not await everywhere.sees(bob, first)
    assert await everywhere.lists(bob, ada) == (403, ())
    await bob.follow(ada)
    assert await everywhere.home(bob) == ()
    await ada.client.approve_follow_request(bob.id)
    assert await everywhere.sees(bob, first)
    assert await everywhere.home(bob) == (first,)
    second = await ada.post("second")
    assert await heard(world, hearing, bob, second)
    await ada.client.remove_follower(bob.id)
    assert not await everywhere.sees(bob, second)
    assert not {first, second} & set(await everywhere.home(bob))
    third = await ada.post("third")
    assert not await heard(world, hearing, bob, third)
    await ada.client.update_privacy(is_private=False)
    assert await everywhere.sees(bob, third)
    assert await everywhere.lists(bob, ada) == (200, (third, second, first))


async def test_blocks(world: World) -> None:
    """In both directions; what the block ended does not come back with its end."""
    everywhere = Everywhere(world)
    ada, bob = await world.people(2)
    await bob.follow(ada)
    hearing = await bob.listen()
    first = await ada.post("first")
    assert await heard(world, hearing, bob, first)
    await ada.client.block(bob.id)
    assert not await everywhere.sees(bob, first)
    assert await everywhere.lists(bob, ada) == (404, ())
    assert first not in await everywhere.home(bob)
    second = await ada.post("second")
    assert not await heard(world, hearing, bob, second)
    bobs = await bob.post("his")
    assert not await everywhere.sees(ada, bobs)
    await ada.client.unblock(bob.id)
    assert await everywhere.sees(bob, second)
    assert second not in await everywhere.home(bob)
    third = await ada.post("third")
    assert not await heard(world, hearing, bob, third)


async def test_mutes(world: World) -> None:
    """Of people; what is muted can be asked for."""
    everywhere = Everywhere(world)
    ada, bob = await world.people(2)
    await bob.follow(ada)
    hearing = await bob.listen()
    first = await ada.post("first")
    assert await everywhere.home(bob) == (first,)
    await bob.client.mute(ada.id)
    assert await everywhere.home(bob) == ()
    assert await everywhere.lists(bob, ada) == (200, (first,))
    second = await ada.post("second")
    assert not await heard(world, hearing, bob, second)
    await bob.client.unmute(ada.id)
    assert {first, second} < set(await everywhere.home(bob))
    third = await ada.post("third")
    assert await heard(world, hearing, bob, third)
