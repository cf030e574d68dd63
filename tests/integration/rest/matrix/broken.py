"""Builds with one fault each: a rule that does not hold, or a path that forgets to ask it."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from rookery.domain.visibility import ACTIVE, SUSPENDED
from rookery.services.accounts import profiles
from rookery.services.graph import people
from rookery.services.reading import filters, likes, reading, showing
from rookery.services.tweets import retweets

Break = Callable[[pytest.MonkeyPatch], None]


def _always(value: bool) -> Callable[..., bool]:
    return lambda *_, **__: value


def nothing_is_hidden(patch: pytest.MonkeyPatch) -> None:
    """Lists and single tweets are for everybody."""
    patch.setattr(filters, "may_see", _always(True))


def lists_hide_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(showing, "is_listed", _always(True))


def single_tweets_are_not_hidden(patch: pytest.MonkeyPatch) -> None:
    for module in (reading, showing):
        patch.setattr(module, "is_visible", _always(True))


def mutes_do_not_count(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(filters, "is_muted", _always(False))


def nobody_is_blocked_from_profiles_lists(patch: pytest.MonkeyPatch) -> None:
    """Nor is anybody suspended, where lists of a person are read."""
    patch.setattr(reading, "_is_user_visible", _always(True))


def private_lists_are_open(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reading, "may_see_lists", _always(True))


def lists_of_people_hide_nobody(patch: pytest.MonkeyPatch) -> None:
    async def visible_users(
        self: Any, viewer_id: int | None, user_ids: Sequence[int], keep: Any = None
    ) -> list[int]:
        return list(user_ids)

    patch.setattr(reading.Reading, "visible_users", visible_users)


def hidden_likes_are_shown(patch: pytest.MonkeyPatch) -> None:
    """As those of who likes a tweet."""
    patch.setattr(likes, "shows_likes", _always(True))


def retweets_of_the_private_are_shown(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retweets, "shows_retweets", _always(True))


def profiles_hide_nobody(patch: pytest.MonkeyPatch) -> None:
    """Neither from who is blocked, nor those who are suspended."""
    original = profiles.Profiles._standing

    async def standing(self: Any, user_ids: Sequence[int], viewer_id: int | None) -> Any:
        return [
            None if each is None else msgspec.structs.replace(each, blocked_id=None)
            for each in await original(self, user_ids, viewer_id)
        ]

    async def shown_statuses(self: Any, users: Any, viewer_id: int | None) -> tuple[str, ...]:
        return (ACTIVE, SUSPENDED)

    patch.setattr(profiles.Profiles, "_standing", standing)
    patch.setattr(profiles.Profiles, "_shown_statuses", shown_statuses)


def everybody_can_be_acted_on(patch: pytest.MonkeyPatch) -> None:
    """Followed and approved: also by who is blocked, and who is suspended."""

    async def look(self: Any, user_id: int, other_id: int) -> people.Other:
        people._check_others(user_id, other_id)
        other = await self._users.get(other_id)
        return people.Other(other, True, await self._relations.pair(user_id, other_id))

    patch.setattr(people.People, "look", look)


def own_lists_of_people_hide_nobody(patch: pytest.MonkeyPatch) -> None:
    """Whom one blocks, mutes or asks, and who asks."""

    async def not_blocking(self: Any, user_id: int, other_ids: Sequence[int]) -> set[int]:
        return set(other_ids)

    patch.setattr(people.People, "not_blocking", not_blocking)


STAGES: tuple[Break, ...] = (
    nothing_is_hidden,
    lists_hide_nothing,
    single_tweets_are_not_hidden,
    mutes_do_not_count,
    nobody_is_blocked_from_profiles_lists,
    private_lists_are_open,
    lists_of_people_hide_nobody,
    hidden_likes_are_shown,
    retweets_of_the_private_are_shown,
    profiles_hide_nobody,
    everybody_can_be_acted_on,
    own_lists_of_people_hide_nobody,
)
