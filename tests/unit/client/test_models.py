"""The client's models say what the server's document says: each field, its type, its presence."""

import inspect
from typing import Any

import msgspec
import pytest

from rookery import views
from rookery.client import models, tweet_models
from rookery.client.models import Model
from tests.unit.http.native_document import COMPONENTS

SHAPES: dict[type, str] = {
    models.User: "UserView",
    models.Author: "UserRef",
    tweet_models.Media: "MediaView",
    tweet_models.Tweet: "TweetView",
    tweet_models.MissingTweet: "UnavailableTweet",
    tweet_models.TweetVersion: "TweetVersion",
    tweet_models.Engagements: "EngagementCounts",
    tweet_models.LikeState: "LikeState",
    tweet_models.RetweetState: "RetweetState",
    tweet_models.BookmarkState: "BookmarkState",
    tweet_models.PinState: "PinState",
    tweet_models.Retweet: "Retweeted",
    models.FollowState: "FollowState",
    models.BlockState: "BlockState",
    models.MuteState: "MuteState",
    models.PrivacySettings: "PrivacySettings",
    models.Device: "DeviceView",
    models.Tokens: "Refreshed",
    models.Session: "LoggedIn",
    models.SignedUp: "SignedUp",
    models.StreamAddress: "StreamAddress",
    models.StreamTicket: "StreamTicket",
    models.Health: "Health",
    models.Readiness: "Readiness",
    tweet_models.Posted: "TweetCreated",
    models.Devices: "DeviceList",
    tweet_models.Tweets: "TweetPage",
    tweet_models.Replies: "ReplyPage",
    tweet_models.Versions: "TweetHistory",
    models.Users: "UserPage",
    models.Followers: "FollowerPage",
    models.Following: "FollowingPage",
    tweet_models.ContextPage: "TweetContext",
}
NOT_MODELLED = {
    ("LikeState", "message"),
    ("RetweetState", "message"),
    ("BookmarkState", "message"),
    ("PinState", "message"),
    ("Retweeted", "retweetId"),
    ("FollowState", "message"),
    ("BlockState", "message"),
    ("MuteState", "message"),
    ("SignedUp", "userId"),
    ("TweetCreated", "tweetId"),
    ("TweetCreated", "createdAt"),
}
"""What an answer says twice, or to people."""
MAY_BE_ABSENT = {
    (shape, field)
    for shapes, fields in (
        (("DeviceView", "Device"), ("lastAddress", "expiresAt")),
        (("DeviceList", "Devices"), ("nextCursor",)),
        (("TweetView", "Tweet"), ("pinned", "retweetOf", "quoteOf")),
    )
    for shape in shapes
    for field in fields
}
"""What servers of former releases do not answer, so that a model has to do without."""
PARTS = {tweet_models.TweetCard, tweet_models.PushedTweet, Model}
"""Of other models, and none that is answered."""


def schemas_of(model: type) -> tuple[dict[str, Any], dict[str, Any]]:
    ((schema,), components) = msgspec.json.schema_components([model], ref_template="{name}")
    return schema, components


TOLD_APART = {"QuotedTweet"}
"""What the client reads as it comes, since its kinds are told apart by their fields."""


def normal(schema: dict[str, Any], components: dict[str, Any], within: tuple[str, ...] = ()) -> Any:
    """What a schema allows, without how it is named and explained.

    `within` are the shapes that it is a part of; one that is a part of itself is not gone into.
    """
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name in TOLD_APART:
            return ("map", "anything")
        return "again" if name in within else normal(components[name], components, (*within, name))
    if "anyOf" in schema:
        return frozenset(normal(each, components, within) for each in schema["anyOf"])
    if "enum" in schema:
        return frozenset(schema["enum"])
    kind = schema.get("type")
    if kind == "array":
        return ("list", normal(schema.get("items", {}), components, within))
    if kind == "object" and "properties" in schema:
        return fields_of(schema, components, within)
    if kind == "object":
        return ("map", normal(schema.get("additionalProperties", {}), components, within))
    if kind is None:
        return "anything"
    return (kind, schema.get("format")) if schema.get("format") == "date-time" else kind


def fields_of(schema: dict[str, Any], components: dict[str, Any], within: tuple[str, ...]) -> Any:
    """Name, type and presence of each field; of one that may be absent, null means that too."""
    required = set(schema.get("required", ()))
    found = []
    for name, field in schema["properties"].items():
        kind = normal(field, components, within)
        is_there = name in required and (schema["title"], name) not in MAY_BE_ABSENT
        if not is_there and isinstance(kind, frozenset):
            rest = kind - {"null"}
            kind = next(iter(rest)) if len(rest) == 1 else rest
        found.append((name, kind, is_there))
    return frozenset(found)


def test_every_model_is_compared() -> None:
    """Whoever adds a model says which shape of the document it is."""
    declared = {
        each
        for module in (models, tweet_models)
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, Model) and not each.__name__.startswith("_")
    }
    assert declared - PARTS == SHAPES.keys()


@pytest.mark.parametrize("model", SHAPES, ids=lambda model: model.__name__)
def test_a_model_is_as_the_document_says(model: type) -> None:
    """No field is missing, foreign, of another type, or optional where it is not."""
    name = SHAPES[model]
    schema, components = schemas_of(model)
    ours = normal(schema, components)
    theirs = normal({"$ref": name}, COMPONENTS)
    theirs = frozenset(each for each in theirs if (name, each[0]) not in NOT_MODELLED)
    if model is tweet_models.ContextPage:  # its entries are told apart when they are read
        either = frozenset(
            normal({"$ref": each}, COMPONENTS) for each in ("TweetView", "UnavailableTweet")
        )
        theirs = frozenset(
            (each, ("list", "anything"), there) if kind == ("list", either) else (each, kind, there)
            for each, kind, there in theirs
        )
    assert ours == theirs


@pytest.mark.parametrize(
    ("model", "shown"),
    [(tweet_models.TweetCard, views.TweetCard), (tweet_models.PushedTweet, views.PushedTweet)],
    ids=["TweetCard", "PushedTweet"],
)
def test_what_streams_bring_has_the_fields_that_are_pushed(model: type, shown: type) -> None:
    """The document does not have these; names are compared here, and contents with the events."""
    ours, theirs = (
        {field.encode_name for field in msgspec.structs.fields(each)} for each in (model, shown)
    )
    assert ours == theirs
