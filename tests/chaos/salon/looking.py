"""Reads what members of a salon are shown, at any time, and holds it to who may see what.

A read may be answered by any gateway. What changes while it is under way may be shown or not; a
read that fails tells nothing.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

from rookery.client import ClientError, Forbidden, NotFound, Tweet, User
from tests.chaos.citizens import until_answered, whole_home
from tests.chaos.salon.history import Maybe
from tests.chaos.salon.judging import (
    View,
    judge_let_in,
    judge_list,
    judge_profile,
    judge_there,
    judge_tweet,
)
from tests.chaos.salon.salon import Member, Salon, now_s
from tests.chaos.salon.seeing import Said, Standing, in_home, in_timeline, sees

GATEWAYS = 3
"""So many connections ask the same, which mostly meet all gateways."""
RECENT = 60
"""So many of the newest tweets are worth a look."""
DELIVERED_WITHIN_S = 5.0
"""A post is in all homes so long after its answer, where nothing is harmed."""
PAGE = 40


async def look_around(salon: Salon, chance: random.Random, *pair: Member) -> None:
    """See that what one of two changed shows for both of them at once, in every gateway."""
    reads: list[Awaitable[None]] = []
    for viewer, other in (pair, pair[::-1]):
        looks: list[Callable[[], Awaitable[None]]] = [
            partial(look_at_home, salon, viewer),
            partial(look_at_profile, salon, viewer, other),
            partial(look_at_timeline, salon, viewer, other),
        ]
        recent = [*salon.seeing.tweets.values()][-RECENT:]
        concerned = [each for each in recent if _concerns(each, other)]
        if concerned:
            looks += 2 * [partial(look_at_tweet, salon, viewer, chance.choice(concerned))]
        look = chance.choice(looks)
        reads += [look() for _ in range(GATEWAYS)]
    await asyncio.gather(*reads)


async def look_at_change(salon: Salon, chance: random.Random, viewer: Member, said: Said) -> None:
    """See what has become of a tweet at once, and of what shows it, in every gateway."""
    tweets = [*salon.seeing.tweets.values()]
    shows = [each for each in tweets[-RECENT:] if said in (each.original, each.quoted)]
    asked = chance.choice([said, *shows])
    looks = [look_at_tweet(salon, viewer, asked) for _ in range(GATEWAYS)]
    await asyncio.gather(*looks, look_at_home(salon, viewer))


def _concerns(said: Said, member: Member) -> bool:
    shown = said.original or said.quoted
    return member.id in (said.author_id, shown.author_id if shown is not None else 0)


async def look_at_tweet(salon: Salon, viewer: Member, said: Said) -> None:
    """A tweet that is asked for by its id."""
    began_s, tweet = now_s(), None
    try:
        tweet = await viewer.client.tweet(said.id)
    except NotFound:
        pass
    except ClientError:
        return
    view = salon.view(viewer, began_s)
    view.judge(salon.found, tweet is not None, sees, said, "by its id")
    if tweet is not None:
        judge_tweet(salon.found, view, said, tweet, "by its id")


async def look_at_home(salon: Salon, viewer: Member) -> None:
    """The first page of home."""
    began_s = now_s()
    try:
        page = await viewer.client.home(limit=PAGE).page()
    except ClientError:
        return
    _judge_home(salon, viewer, began_s, page.items, is_whole=page.next_cursor is None)


async def read_home(salon: Salon, viewer: Member) -> list[Tweet]:
    """All of home, page by page, judged. Raises as the client does."""
    began_s = now_s()
    tweets = await whole_home(viewer.client)
    _judge_home(salon, viewer, began_s, tweets, is_whole=True)
    return tweets


async def refetched_home(salon: Salon, viewer: Member) -> list[Tweet]:
    """All of home as soon as it can be read, for a stream that says so."""
    return await until_answered(lambda: read_home(salon, viewer))


def _judge_home(
    salon: Salon, viewer: Member, began_s: float, tweets: Sequence[Tweet], *, is_whole: bool
) -> None:
    view = salon.view(viewer, began_s)
    due = [each for each in salon.seeing.tweets.values() if _is_delivered(salon, each)]
    _judge_tweets(salon, view, tweets, due, is_whole, in_home, "at home")


def _is_delivered(salon: Salon, said: Said) -> bool:
    """Whether it had the time to come to all homes."""
    now = now_s()
    return said.answered_s + DELIVERED_WITHIN_S < now and salon.was_calm(said.began_s, now)


def _judge_tweets(
    salon: Salon,
    view: View,
    tweets: Sequence[Tweet],
    due: Iterable[Said],
    is_whole: bool,
    rule: Callable[[Standing, int, Said], Maybe],
    where: str,
) -> None:
    """A list as far as it was read; what nobody was told the id of yet is passed over."""
    known = salon.seeing.tweets
    listed = [(known[int(each.id)], each) for each in tweets if int(each.id) in known]
    down_to = 0 if is_whole else min((int(each.id) for each in tweets), default=0)
    due = [each for each in due if each.id >= down_to]
    judge_list(salon.found, view, listed, due, rule, where)


async def look_at_timeline(salon: Salon, viewer: Member, author: Member) -> None:
    """The first page of somebody's timeline."""
    began_s = now_s()
    tweets: Sequence[Tweet] | None = None
    is_whole, is_there = True, True
    try:
        page = await viewer.client.user_timeline(author.id, limit=PAGE).page()
        tweets, is_whole = page.items, page.next_cursor is None
    except NotFound:
        is_there = False
    except Forbidden:
        pass
    except ClientError:
        return
    view = salon.view(viewer, began_s)
    where = f"in the timeline of {author.username}"
    judge_there(salon.found, view, author.id, is_there, where)
    if is_there:
        judge_let_in(salon.found, view, author.id, tweets is not None, where)
    if tweets is not None:
        due = [each for each in salon.seeing.tweets.values() if each.author_id == author.id]
        _judge_tweets(salon, view, tweets, due, is_whole, in_timeline, where)


async def look_at_profile(salon: Salon, viewer: Member, other: Member) -> None:
    """A profile, with how the two stand to each other."""
    began_s = now_s()
    user: User | None = None
    try:
        user = await viewer.client.user(other.id)
    except NotFound:
        pass
    except ClientError:
        return
    view = salon.view(viewer, began_s)
    judge_there(salon.found, view, other.id, user is not None, "as a profile")
    if user is not None:
        judge_profile(salon.found, view, other.id, user)
