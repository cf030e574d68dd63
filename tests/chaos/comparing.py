"""Compares what the server shows with what the model says must and may be. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from rookery.client import Tweet
from tests.chaos.citizens import Citizen, Town
from tests.chaos.faults import Fault, doubled, leaked, lost, stale, wrong
from tests.chaos.model import Model
from tests.chaos.snapshot import Shown, Snapshot


def compare(town: Town, seen: Snapshot) -> list[Fault]:
    """Everything in which they differ."""
    return [*_differences(town, seen)]


def _differences(town: Town, seen: Snapshot) -> Iterator[Fault]:
    existing = {int(tweet.id): tweet for shown in seen.people.values() for tweet in shown.timeline}
    for citizen in town.citizens:
        shown = seen.people[citizen.id]
        yield from _timeline(town.model, citizen, shown)
        yield from _graph(town.model, citizen, seen)
        yield from _home(citizen, seen, existing)
        yield from _counts_of_person(town.model, citizen, shown, existing)
        if citizen.watcher is not None:
            yield from _stream(citizen, seen, existing)
    yield from _likes(town.model, seen, existing)
    yield from _replies(existing)
    for tweet_id in seen.revived:
        yield leaked(f"tweet {tweet_id} was deleted and can be read")


def ids_of(tweets: Sequence[Tweet]) -> list[int]:
    return [int(tweet.id) for tweet in tweets]


def _listed(ids: list[int], what: str) -> Iterator[Fault]:
    """A list holds each once, newest first."""
    again = len(ids) - len(set(ids))
    if again:
        yield doubled(f"{what} shows {again} tweets twice")
    if ids != sorted(ids, reverse=True):
        yield wrong(f"{what} is out of order")


def _timeline(model: Model, citizen: Citizen, shown: Shown) -> Iterator[Fault]:
    """A person's tweets: all that were acknowledged, whole, and nothing else."""
    name = citizen.username
    ids = ids_of(shown.timeline)
    yield from _listed(ids, f"the timeline of {name}")
    for posted in model.of_author(citizen.id):
        if posted.must_exist and posted.id not in ids:
            yield lost(f"tweet {posted.id} of {name} was acknowledged")
    for tweet in shown.timeline:
        known = model.find(int(tweet.id), tweet.text)
        if known is None:
            yield leaked(f"{name} never posted {tweet.id}: {tweet.text!r}")
        elif known.id != int(tweet.id):
            yield doubled(f"{name} posted once: {tweet.text!r} is {known.id} and {tweet.id}")
        elif not known.may_exist:
            yield leaked(f"tweet {tweet.id} of {name} was deleted and is in their timeline")
        elif not known.text.may_be(tweet.text):
            yield lost(f"edit of {tweet.id} to {known.text.acknowledged!r}: it is {tweet.text!r}")
        elif tweet.in_reply_to_id != (str(known.parent_id) if known.parent_id else None):
            yield wrong(f"tweet {tweet.id} replies to {tweet.in_reply_to_id}")


def _graph(model: Model, citizen: Citizen, seen: Snapshot) -> Iterator[Fault]:
    shown, name = seen.people[citizen.id], citizen.username
    for what, users in (("follows", shown.following), ("is followed by", shown.followers)):
        if len(users) != len(set(users)):
            yield doubled(f"{name} {what} somebody twice")
    for (follower, followee), edge in model.follows.items():
        if follower != citizen.id:
            continue
        follows = followee in shown.following
        if not edge.may_be(follows):
            say = lost if edge.acknowledged else leaked
            yield say(f"{name} follows {followee}: {edge.acknowledged}, shown {follows}")
        if (citizen.id in seen.people[followee].followers) != follows:
            yield wrong(f"{name} and {followee} disagree about who follows whom")


def _home(citizen: Citizen, seen: Snapshot, existing: Mapping[int, Tweet]) -> Iterator[Fault]:
    """Home is exactly what oneself and those one follows have posted."""
    shown, name = seen.people[citizen.id], citizen.username
    ids = ids_of(shown.home)
    yield from _listed(ids, f"the home of {name}")
    due = {
        tweet_id
        for author_id in (citizen.id, *shown.following)
        for tweet_id in ids_of(seen.people[author_id].timeline)
    }
    if missing := due - set(ids):
        yield lost(f"the home of {name} lacks {len(missing)} tweets, such as {max(missing)}")
    if foreign := set(ids) - due:
        yield leaked(f"the home of {name} has {len(foreign)} too many, such as {max(foreign)}")
    for tweet in shown.home:
        truth = existing.get(int(tweet.id))
        if truth is not None and truth.text != tweet.text:
            yield stale(f"the home of {name} shows {tweet.id} as {tweet.text!r}")
        if tweet.liked != (citizen.id in seen.likers.get(int(tweet.id), ())):
            yield wrong(f"{name} sees liked={tweet.liked} on {tweet.id}")


def _counts_of_person(
    model: Model, citizen: Citizen, shown: Shown, existing: Mapping[int, Tweet]
) -> Iterator[Fault]:
    profile, name = shown.profile, citizen.username
    for what, count, truth in (
        ("tweets", profile.tweets_count, len(shown.timeline)),
        ("following", profile.following_count, len(shown.following)),
        ("followers", profile.followers_count, len(shown.followers)),
    ):
        if count != truth:
            yield wrong(f"{name} has {truth} {what}, counted {count}")
    likes = [
        like
        for (user_id, tweet_id), like in model.likes.items()
        if user_id == citizen.id and tweet_id in existing  # a deleted tweet takes its likes with it
    ]
    least = sum(like.must_be(True) for like in likes)
    most = sum(like.may_be(True) for like in likes)
    if not least <= profile.likes_count <= most:
        yield wrong(f"{name} likes {least} to {most} tweets, counted {profile.likes_count}")


def _likes(model: Model, seen: Snapshot, existing: Mapping[int, Tweet]) -> Iterator[Fault]:
    for (user_id, tweet_id), like in model.likes.items():
        if tweet_id in seen.likers:
            likes = user_id in seen.likers[tweet_id]
            if not like.may_be(likes):
                say = lost if like.acknowledged else leaked
                yield say(f"{user_id} likes {tweet_id}: {like.acknowledged}, shown {likes}")
    for tweet_id, tweet in existing.items():
        users = seen.likers.get(tweet_id, [])
        if len(users) != len(set(users)):
            yield doubled(f"tweet {tweet_id} is liked twice by the same")
        if tweet.like_count != len(users):
            yield wrong(f"tweet {tweet_id} has {len(users)} likes, counted {tweet.like_count}")


def _replies(existing: Mapping[int, Tweet]) -> Iterator[Fault]:
    replies = dict.fromkeys(existing, 0)
    for tweet in existing.values():
        if tweet.in_reply_to_id is not None and int(tweet.in_reply_to_id) in replies:
            replies[int(tweet.in_reply_to_id)] += 1
    for tweet_id, count in replies.items():
        if existing[tweet_id].reply_count != count:
            counted = existing[tweet_id].reply_count
            yield wrong(f"tweet {tweet_id} has {count} replies, counted {counted}")


def _stream(citizen: Citizen, seen: Snapshot, existing: Mapping[int, Tweet]) -> Iterator[Fault]:
    """A stream told of all that happened among those who were followed all the time."""
    watcher, name = citizen.watcher, citizen.username
    assert watcher is not None
    yield from watcher.faults(name)
    if watcher.closed is not None:
        yield wrong(f"the stream of {name} was closed: {watcher.closed}")
    authors = {int(tweet.id): int(tweet.author.id) for tweet in existing.values()}
    always = {citizen.id, *citizen.steady}
    ever = always | set(citizen.loose)
    for tweet_id in watcher.told:
        if authors.get(tweet_id, citizen.id) not in ever:
            yield leaked(f"the stream of {name} told of {tweet_id}, who was never followed")
    for author_id in always:
        for tweet in seen.people[author_id].timeline:
            text = watcher.shown.get(int(tweet.id))
            if text is None:
                yield lost(f"the stream of {name} did not tell of {tweet.id}")
            elif text != tweet.text:
                yield lost(f"the stream of {name} left {tweet.id} at {text!r}")
    for tweet_id in watcher.shown:
        if tweet_id not in existing and not _may_be_others(citizen, tweet_id):
            yield leaked(f"the stream of {name} still shows {tweet_id}, which is deleted")


def _may_be_others(citizen: Citizen, tweet_id: int) -> bool:
    """Whether it may be of somebody who was unfollowed before it was deleted."""
    known = citizen.model.tweets.get(tweet_id)
    return known is not None and known.author_id in citizen.loose
