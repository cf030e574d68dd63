"""What happens in the world, step by step, and what of it a viewer could know of."""

from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

from tests.integration.rest.matrix.cast import (
    AUTHORS,
    FAN,
    HOST,
    KINDS,
    LOST,
    PEOPLE,
    Rules,
    Tweet,
    Viewer,
    lists_person,
    sees_lists,
    sees_person,
)

Act: TypeAlias = Literal[
    "sign up",
    "post",
    "like",
    "bookmark",
    "pin",
    "follow",
    "approve",
    "block",
    "mute",
    "close",
    "suspend",
    "appoint",
    "hide likes",
]
SPEAKING = ("stranger", "muted", "blocked", "blocking")
"""Viewers who post, reply and retweet as well."""


class Step(NamedTuple):
    """Somebody does something, to a person or with a tweet. `refers`: it names a tweet that is
    hidden from some who see the step itself."""

    act: Act
    who: str
    what: str = ""
    tweet: Tweet | None = None
    refers: bool = False


def post(label: str, *, refers: bool = False, **fields: str) -> Step:
    author = label.partition(".")[0]
    mentions = author in AUTHORS and "shows" not in fields
    tweet = Tweet(label, author, mentions=mentions, **fields)  # type: ignore[arg-type]
    return Step("post", author, label, tweet, refers)


def script() -> Iterator[Step]:
    """All that happens, in order. While authors are open, everybody does what is then possible."""
    yield from (Step("sign up", each) for each in PEOPLE)
    yield Step("appoint", "moderator")
    yield post("host.root")
    yield post("host.other")
    for each in (*KINDS, *AUTHORS):
        yield Step("follow", each, HOST)
        yield Step("follow", each, FAN)
    for author in AUTHORS:
        for each in (FAN, "follower", "muting", "muted"):
            yield Step("follow", each, author)
        yield from _posts(author)
    for each in SPEAKING:
        yield post(f"{each}.post")
        yield post(f"{each}.reply", replies_to="host.root")
        yield post(f"{each}.retweet", shows="host.other")
        yield post(f"{each}.quote", quotes="host.other")
    for each in (FAN, *KINDS):
        yield Step("like", each, "host.root")
        for author in AUTHORS:
            yield Step("like", each, f"{author}.public")
            yield Step("bookmark", each, f"{author}.public")
    yield Step("hide likes", FAN)
    yield from _relations()


def _posts(author: str) -> Iterator[Step]:
    yield post(f"{author}.public")
    yield post(f"{author}.followers", visibility="followers")
    yield post(f"{author}.mentioned", visibility="mentioned")
    yield post(f"{author}.reply", replies_to="host.root")
    yield post(f"{author}.aside", replies_to="host.root", visibility="followers")
    yield post(f"{author}.retweet", shows="host.other")
    yield post(f"{author}.quote", quotes="host.other")
    yield post(f"{author}.again", shows=f"{author}.followers")
    yield Step("like", author, "host.root")
    yield Step("like", author, "host.other")
    yield Step("pin", author, f"{author}.public")
    yield Step("pin", author, f"{author}.followers")
    yield Step("like", FAN, f"{author}.followers")
    for each in ("follower", "muting"):
        yield Step("bookmark", each, f"{author}.followers")
    yield post(f"fan.retweets_{author}", shows=f"{author}.public")
    yield post(f"fan.quotes_{author}", quotes=f"{author}.public", refers=True)
    yield post(f"fan.answers_{author}", replies_to=f"{author}.public", refers=True)
    yield post(f"fan.goes_on_{author}", replies_to=f"{author}.reply", refers=True)


def _relations() -> Iterator[Step]:
    yield Step("close", "closed")
    for each in ("requested", "approved", "gone"):
        yield Step("follow", each, "closed")
    yield Step("approve", "closed", "approved")
    yield Step("close", LOST)
    yield Step("follow", "stranger", LOST)
    yield Step("suspend", LOST)
    for author in AUTHORS:
        yield Step("block", author, "blocked")
        yield Step("block", "blocking", author)
        yield Step("mute", "muting", author)
        yield Step("mute", author, "muted")
    yield Step("suspend", "gone")


STEPS = tuple(script())
PLAIN = tuple(step for step in STEPS if not step.refers)
"""Without what names a tweet that is hidden from somebody: a world in which that tweet never was
could not have it."""
TWEETS = {step.tweet.label: step.tweet for step in STEPS if step.tweet is not None}
RULES = Rules(TWEETS)


SUBJECTS = (
    "host.root",
    "host.other",
    "blocked.post",
    "blocking.post",
    "muted.post",
    *(
        f"{author}.{each}"
        for author in AUTHORS
        for each in ("public", "followers", "mentioned", "reply", "retweet", "again")
    ),
    *(f"fan.{each}_{author}" for author in AUTHORS for each in ("retweets", "quotes", "answers")),
)
"""Tweets that are asked for one by one; the others are like these, and stand in lists."""
PERSONS = (HOST, FAN, "follower", "requested", "approved", "muted", "blocked", "blocking", *AUTHORS)
"""People who are asked for; as above."""
SURROUNDED = {
    "host.root",
    "host.other",
    *(f"{author}.{each}" for author in AUTHORS for each in ("public", "reply", "retweet")),
    *(f"fan.retweets_{author}" for author in AUTHORS),
}
"""Tweets with something around them: answers, likes, retweets, quotes."""
ACTED_ON = {
    "host.root",
    *(f"{author}.{each}" for author in AUTHORS for each in ("public", "followers", "mentioned")),
    *(f"fan.retweets_{author}" for author in AUTHORS),
}
"""Tweets with which something is done by those who may; what the others ask is asked of all."""


class Row(NamedTuple):
    """The row by which a list would show a person: its collection, and which two it is of."""

    collection: str
    first: str
    second: str


def counted(viewer: Viewer, step: Step) -> list[tuple[str, str]]:
    """The counts that a step adds to, as far as the viewer is shown them: whose, and in which
    field."""
    if step.tweet is not None:
        tweet = step.tweet
        # What is for whom it mentions alone is as a message to them.
        found = [] if tweet.visibility == "mentioned" else [(tweet.author, "tweetsCount")]
        if tweet.shows:
            found.append((tweet.shows, "retweetCount"))
        if tweet.visibility == "public":  # What is not for everybody counts for nobody.
            found += [(tweet.quotes, "quoteCount")] if tweet.quotes else []
            found += [(tweet.replies_to, "replyCount")] if tweet.replies_to else []
        return found
    fields: dict[str, list[tuple[str, str]]] = {
        "like": [(step.what, "likeCount")],
        "follow": [(step.who, "followingCount"), (step.what, "followersCount")],
    }
    if step.act == "like" and _opens_likes(viewer, step.who):
        fields["like"].append((step.who, "likesCount"))
    if step.act == "pin" and RULES.sees(viewer, step.what):  # Muted or not: the list is asked for.
        fields["pin"] = [(step.who, "pinnedCount")]
    return [] if _is_request(step) else fields.get(step.act, [])


def _is_request(step: Step) -> bool:
    asked = (("requested", "closed"), ("gone", "closed"), ("stranger", LOST))
    return step.act == "follow" and (step.who, step.what) in asked


def knows_of(viewer: Viewer, step: Step) -> bool:
    """Whether a viewer could find out, by any list, that a step was made."""
    people = [step.who]
    if step.act in ("follow", "approve", "block", "mute"):
        people.append(step.what)
    if not all(sees_person(viewer, each) for each in people):
        return False
    if step.tweet is not None and step.tweet.shows:
        # Who retweets it is told of somebody muted as well.
        return RULES.sees(viewer, step.what) and RULES.lists(viewer, step.tweet.shows)
    if step.act in ("post", "like", "bookmark", "pin"):
        return RULES.lists(viewer, step.what)
    return True


def unlisted(viewer: Viewer, step: Step) -> list[Row]:
    """Of a step that a viewer could know of, the rows by which lists would show somebody whom
    they must not show."""
    if step.act == "like" and not _shows_likes(viewer, step.who):
        return [Row("favouriters", step.what, step.who)]
    if step.tweet is not None and step.tweet.shows:
        found = []
        if not _shows_retweets(viewer, step.who):
            found.append(Row("retweets", step.tweet.shows, step.what))
        if not RULES.lists(viewer, step.what):
            found.append(Row("posts", step.who, step.what))
        return found
    if step.act != "follow" or _is_request(step):
        return []
    found = []
    if not lists_person(viewer, step.who):
        found.append(Row("followers", step.what, step.who))
    if not lists_person(viewer, step.what):
        found.append(Row("followees", step.who, step.what))
    return found


def _shows_likes(viewer: Viewer, person: str) -> bool:
    return lists_person(viewer, person) and _opens_likes(viewer, person)


def _opens_likes(viewer: Viewer, person: str) -> bool:
    """Whether a viewer who finds somebody's profile may see what they like."""
    return sees_lists(viewer, person) and (person != FAN or viewer == FAN)


def _shows_retweets(viewer: Viewer, person: str) -> bool:
    return lists_person(viewer, person) and sees_lists(viewer, person)
