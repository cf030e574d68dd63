"""Reading and changing profiles."""

import asyncio
from collections.abc import Iterator

import pytest

from rookery.errors import Conflict, InvalidRequest, NotFound, Unavailable
from rookery.models import Identity, User, UserCounts
from rookery.services.accounts.profiles import ProfileChanges
from rookery.services.ports import Invalidation
from rookery.store.engine import Increment, Insert, WriteBatch
from rookery.store.records.users import Users
from rookery.store.schema import FOLLOWEES, FOLLOWERS, USER_COUNTS, USERS
from tests.unit.services.account_world import World, account_world

ADA = User(id=1, username="Ada", name="Ada", email="ada@example.org")
BOB = User(id=2, username="bob", name="Bob")
CYD = User(id=3, username="cyd", name="Cyd")
ME = Identity(ADA.id, ADA.username, "device")


@pytest.fixture
def bare_world() -> Iterator[World]:
    with account_world() as made:
        yield made


@pytest.fixture
async def world(bare_world: World) -> World:
    """Ada follows Bob, and Cyd follows Ada."""
    operations = [operation for user in (ADA, BOB, CYD) for operation in Users.add(user)]
    await bare_world.store.write(WriteBatch(tuple(operations)))
    for follower, followee in ((1, 2), (3, 1)):
        edge = {"follower_id": follower, "followee_id": followee, "follow_id": 9}
        await bare_world.store.write(
            WriteBatch((Insert(FOLLOWEES.name, edge), Insert(FOLLOWERS.name, edge)))
        )
    counted = Increment(USER_COUNTS.name, (1,), {"followers": 1, "followees": 1})
    await bare_world.store.write(WriteBatch((counted,)))
    return bare_world


async def test_by_id_and_username(world: World) -> None:
    """A profile is found by id, and by username in any case, with its counts."""
    profile = await world.profiles.by_id(1)
    assert profile.user == ADA
    assert profile.counts == UserCounts(followers=1, followees=1)
    assert profile.standing is None
    assert await world.profiles.by_username("aDA") == profile


async def test_unknown_users(world: World) -> None:
    """Who does not exist is not found."""
    with pytest.raises(NotFound):
        await world.profiles.by_id(99)
    for name in ("nobody", "", "ünï", "\ud800"):
        with pytest.raises(NotFound):
            await world.profiles.by_username(name)


async def test_relationship_to_the_viewer(world: World) -> None:
    """The flags say whom the viewer follows and who follows the viewer; none for oneself."""
    profiles = await world.profiles.by_ids([1, 2, 3], viewer_id=1)
    assert [
        each.standing and (each.standing.following, each.standing.followed_by) for each in profiles
    ] == [None, (True, False), (False, True)]


async def test_many_profiles_cost_six_reads(world: World) -> None:
    """The number of reads does not grow with the number of profiles; order is kept."""
    profiles = await world.profiles.by_ids([3, 99, 1, 2, 3], viewer_id=1)
    assert [profile.user.id for profile in profiles] == [3, 1, 2, 3]
    assert world.store.reads == {"get_many": 6}
    assert await world.profiles.by_ids([], viewer_id=1) == []


async def test_update(world: World) -> None:
    """What is given changes, the rest stays, caches are told, and the version goes up."""
    changes = ProfileChanges(name=" Ada L. ", website="https://example.org", is_private=True)
    profile = await world.profiles.update(ME, changes)
    assert profile.user.name == "Ada L."
    assert (profile.user.email, profile.user.is_private) == (ADA.email, True)
    assert profile.user.version == 2
    assert profile.counts.followers == 1
    assert (await world.profiles.by_id(1)).user == profile.user
    assert world.invalidations.changes == [Invalidation(users=[1])]


async def test_nothing_to_change(world: World) -> None:
    """An update to what is there already writes and tells nothing."""
    before = len(world.store.batches)
    profile = await world.profiles.update(ME, ProfileChanges(name="Ada"))
    assert profile.user == ADA
    assert len(world.store.batches) == before
    assert world.invalidations.changes == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        (ProfileChanges(name=""), "name"),
        (ProfileChanges(bio="x" * 161), "bio"),
        (ProfileChanges(location="x" * 31), "location"),
        (ProfileChanges(website="javascript:alert(1)"), "website"),
        (ProfileChanges(avatar_url="nowhere"), "avatarUrl"),
        (ProfileChanges(banner_url="nowhere"), "bannerUrl"),
    ],
)
async def test_update_refuses_bad_fields(world: World, changes: ProfileChanges, field: str) -> None:
    """Each field is checked, and named as requests call it."""
    with pytest.raises(InvalidRequest) as caught:
        await world.profiles.update(ME, changes)
    assert caught.value.field == field


async def test_updates_at_once_are_both_kept(world: World) -> None:
    """Updates of different fields at the same time do not undo each other."""
    await asyncio.gather(
        world.profiles.update(ME, ProfileChanges(bio="bio")),
        world.profiles.update(ME, ProfileChanges(location="London")),
        world.profiles.update(ME, ProfileChanges(name="Countess")),
    )
    user = (await world.profiles.by_id(1)).user
    assert (user.bio, user.location, user.name, user.version) == ("bio", "London", "Countess", 4)


async def test_update_of_an_expected_version(world: World) -> None:
    """An update made for a version that is no more is refused."""
    await world.profiles.update(ME, ProfileChanges(bio="one"), expected_version=1)
    with pytest.raises(Conflict):
        await world.profiles.update(ME, ProfileChanges(bio="two"), expected_version=1)
    assert (await world.profiles.by_id(1)).user.bio == "one"


async def test_parallel_updates_are_all_made(world: World) -> None:
    """However many come at once, none is refused, and nothing of any is lost."""
    changes = [
        change
        for number in range(20)
        for change in (
            ProfileChanges(name=f"v{number}"),
            ProfileChanges(bio=f"v{number}"),
            ProfileChanges(location=f"v{number}"),
        )
    ]
    await asyncio.gather(*(world.profiles.update(ME, change) for change in changes))
    user = (await world.profiles.by_id(1)).user
    assert (user.name, user.bio, user.location, user.version) == ("v19", "v19", "v19", 61)


async def test_updates_in_two_processes_are_both_made(world: World) -> None:
    """Whoever comes second looks again, and the later change of a field holds."""
    elsewhere = world.profiles_elsewhere()
    await asyncio.gather(
        *(
            profiles.update(ME, ProfileChanges(bio=f"{number}"))
            for number, profiles in enumerate([world.profiles, elsewhere] * 8)
        )
    )
    assert (await world.profiles.by_id(1)).user.version == 17


async def test_endless_rivals(world: World) -> None:
    """An update that always comes second gives up, and may be tried again."""
    rivals = 0
    elsewhere = world.profiles_elsewhere()

    async def rival(batch: WriteBatch) -> None:
        nonlocal rivals
        rivals += 1
        world.store.before_write = None
        other = ProfileChanges(location=str(rivals))
        await elsewhere.update(ME, other)
        world.store.before_write = rival

    world.store.before_write = rival
    with pytest.raises(Unavailable):
        await world.profiles.update(ME, ProfileChanges(bio="never"))
    (stored, *_) = world.store.documents(USERS)
    assert (stored["bio"], stored["location"]) == ("", str(rivals))


async def test_update_of_nobody(world: World) -> None:
    """An account that is gone cannot be changed."""
    with pytest.raises(NotFound):
        await world.profiles.update(Identity(99, "gone", "device"), ProfileChanges(bio="x"))
