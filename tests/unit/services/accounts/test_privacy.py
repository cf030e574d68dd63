"""Privacy settings, the lists that come with them, and suspended accounts."""

import pytest

from rookery.errors import InvalidRequest, NotFound
from rookery.models import Identity, User
from rookery.services.accounts.privacy import PrivacyChanges
from rookery.services.graph import replacing
from rookery.store.engine import WriteBatch
from rookery.store.records.users import Users
from rookery.store.schema import MUTES, USERS
from tests.unit.services.graph.social import blocks, check, follows, private, requests
from tests.unit.services.server import Server


async def test_what_is_not_set_stays() -> None:
    """So that no account is opened by omission; all settings change together."""
    server = Server()
    ann = await private(server, "ann")
    changes = PrivacyChanges(hide_likes=True, discoverable=False, who_may_message="nobody")
    user = await server.privacy.update(ann, changes)
    assert (user.is_private, user.hide_likes, user.discoverable) == (True, True, False)
    assert await server.privacy.get(ann) == user
    assert user.who_may_message == "nobody"


async def test_turning_public_here_approves_requests_as_on_the_profile() -> None:
    """Both take the same way."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await private(server, "bob")
    await server.graph.follow(ann, bob.user_id)
    await server.privacy.update(bob, PrivacyChanges(is_private=False))
    assert follows(server.store) == {(ann.user_id, bob.user_id)}
    assert requests(server.store) == set()
    check(server.store)


async def test_lists_replace_what_is_there() -> None:
    """Who is in both keeps what there is; a block by a list ends follows, too."""
    server = Server()
    ann = await server.sign_up("ann")
    users = [await server.sign_up(f"user{n}") for n in range(4)]
    ids = [user.user_id for user in users]
    await server.blocks.block(ann, ids[0])
    await server.blocks.block(ann, ids[1])
    await server.mutes.mute(ann, ids[1], 60)
    await server.mutes.mute(ann, ids[3])
    await server.graph.follow(users[2], ann.user_id)
    changes = PrivacyChanges(blocked_users=[ids[1], ids[2], ids[2]], muted_users=ids[:2])
    await server.privacy.update(ann, changes)
    assert blocks(server.store) == {(ann.user_id, ids[1]), (ann.user_id, ids[2])}
    mutes = {each["muted_id"]: each["expires_ms"] for each in server.store.documents(MUTES)}
    assert mutes == {ids[0]: None, ids[1]: server.clock.now_ms + 60_000}
    check(server.store)
    await server.privacy.update(ann, PrivacyChanges(blocked_users=[], muted_users=[]))
    assert blocks(server.store) == set()
    assert server.store.documents(MUTES) == []


@pytest.mark.parametrize("named", ["oneself", "too many"])
@pytest.mark.parametrize("field", ["blockedUsers", "mutedUsers"])
async def test_a_list_that_cannot_be_taken_changes_nothing(
    named: str, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor the settings beside it."""
    monkeypatch.setattr(replacing, "MAX_LISTED", 2)
    server = Server()
    ann = await server.sign_up("ann")
    there = [(await server.sign_up(f"user{n}")).user_id for n in range(3)]
    listed = {
        "oneself": [there[0], ann.user_id],
        "too many": there,
    }[named]
    settings = {"blockedUsers": "blocked_users", "mutedUsers": "muted_users"}
    with pytest.raises(InvalidRequest) as refused:
        await server.privacy.update(
            ann,
            PrivacyChanges(is_private=True, **{settings[field]: listed}),  # type: ignore[arg-type]
        )
    assert refused.value.field == field
    assert not (await server.privacy.get(ann)).is_private
    assert blocks(server.store) == set()
    assert server.store.documents(MUTES) == []


async def test_lists_take_who_is_hidden_and_pass_over_who_is_not_there() -> None:
    """As single acts do: the answer does not tell the two apart."""
    server = Server()
    ann, bob = await server.sign_up("ann"), await server.sign_up("bob")
    await server.blocks.block(bob, ann.user_id)
    both = [bob.user_id, 404]
    await server.privacy.update(ann, PrivacyChanges(blocked_users=both, muted_users=both))
    assert blocks(server.store) == {(bob.user_id, ann.user_id), (ann.user_id, bob.user_id)}
    assert [each["muted_id"] for each in server.store.documents(MUTES)] == [bob.user_id]


async def suspended(server: Server, username: str) -> Identity:
    identity = await server.sign_up(username)
    [document] = [each for each in server.store.documents(USERS) if each["id"] == identity.user_id]
    former = User(**{**document})
    changed = User(**{**document, "status": "suspended", "version": former.version + 1})
    await server.store.writer.write(WriteBatch(Users.replace(former, changed)))
    return identity


async def test_a_suspended_account_is_there_for_moderators_and_itself() -> None:
    """For all others it is not found, alone and in lists."""
    server = Server()
    ann, mod = await server.sign_up("ann"), await server.sign_up("mod", role="moderator")
    gone = await suspended(server, "gone")
    for viewer_id in (None, ann.user_id):
        with pytest.raises(NotFound):
            await server.profiles.by_id(gone.user_id, viewer_id)
        shown = await server.profiles.by_ids([gone.user_id, mod.user_id], viewer_id)
        assert [each.user.id for each in shown] == [mod.user_id]
    for viewer_id in (mod.user_id, gone.user_id):
        profile = await server.profiles.by_id(gone.user_id, viewer_id)
        assert profile.user.status == "suspended"
    with pytest.raises(NotFound):
        await server.graph.follow(ann, gone.user_id)
