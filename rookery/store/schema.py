"""The collections of Rookery: their keys, columns and indexes.

After `seeds/000`: both directions of follow and of favourite are kept, so that each query touches
one shard of a cluster; the first key field is the shard key. Unique names (username, email) are
collections of their own, because a unique index cannot span shards. A change here needs a step in
`rookery.store.sqlite.migrations` and in `rookery.store.mongo.migrations`.
"""

from rookery.store.engine import Collection

USERS = Collection("users", key={"id": int}, columns={"version": int})
USERNAMES = Collection("usernames", key={"username_key": str}, columns={"user_id": int}, body=False)
EMAILS = Collection("emails", key={"email_key": str}, columns={"user_id": int}, body=False)
USER_COUNTS = Collection(
    "user_counts",
    key={"user_id": int},
    columns={"followers": int, "followees": int, "tweets": int, "likes": int, "pins": int},
    indexes={"by_followers": ("followers",)},
    body=False,
)
DEVICES = Collection(
    "devices",
    key={"user_id": int, "device_id": str},
    columns={"refresh_hash": str, "expires_ms": int},
    expires="expires_ms",
)
LOGIN_SOURCES = Collection(
    "login_sources",
    key={"user_id": int, "source": str},
    columns={"expires_ms": int},
    expires="expires_ms",
    body=False,
)
"""Devices and addresses that an account was logged in from."""
USED_TICKETS = Collection(
    "used_tickets",
    key={"number": str},
    columns={"expires_ms": int},
    expires="expires_ms",
    body=False,
)
"""Tickets that have opened a stream."""
SIGNING_KEYS = Collection("signing_keys", key={"kid": str}, columns={"created_ms": int})

TWEETS = Collection("tweets", key={"id": int}, columns={"author_id": int, "version": int})
TWEET_EDITS = Collection("tweet_edits", key={"tweet_id": int, "version": int})
TWEET_COUNTS = Collection(
    "tweet_counts",
    key={"tweet_id": int},
    columns={"likes": int, "retweets": int, "replies": int, "quotes": int, "pins": int},
    body=False,
)
POSTS = Collection(
    "posts", key={"author_id": int, "tweet_id": int}, columns={"kind": int}, body=False
)
"""An author's posts; `kind` is `PostKind` bits."""
REPLIES = Collection(
    "replies", key={"parent_id": int, "tweet_id": int}, columns={"author_id": int}, body=False
)
CONVERSATIONS = Collection(
    "conversations", key={"conversation_id": int, "tweet_id": int}, body=False
)
RETWEETS = Collection(
    "retweets",
    key={"original_id": int, "tweet_id": int},
    columns={"author_id": int},
    body=False,
)
"""The retweets of a tweet. A retweet stands here, and is no conversation of its own."""
RETWEETED = Collection(
    "retweeted",
    key={"author_id": int, "original_id": int},
    columns={"tweet_id": int},
    body=False,
)
"""What a user retweets, each at most once; `tweet_id` is the retweet."""
QUOTES = Collection(
    "quotes",
    key={"original_id": int, "tweet_id": int},
    columns={"author_id": int, "counted": int},
    body=False,
)
"""The quotes of a tweet; `counted` is 1 for those that its counts include."""
BOOKMARKS = Collection(
    "bookmarks",
    key={"user_id": int, "tweet_id": int},
    columns={"bookmark_id": int},
    indexes={"by_time": ("user_id", "bookmark_id")},
    body=False,
)
BOOKMARKERS = Collection("bookmarkers", key={"tweet_id": int, "user_id": int}, body=False)
"""Who bookmarked a tweet: told to nobody, it goes with the tweet."""
PINS = Collection(
    "pins",
    key={"user_id": int, "tweet_id": int},
    columns={"pin_id": int},
    indexes={"by_time": ("user_id", "pin_id")},
    body=False,
)
"""What users pinned to their profiles; the count is `pins` of their counts."""
TOMBSTONES = Collection("tombstones", key={"id": int})
"""What is left of a deleted tweet: where it stood in its conversation, nothing of what it said."""
REMOVALS = Collection("removals", key={"tweet_id": int}, columns={"token": int})
"""Deleted tweets that something may still refer to, until
`rookery.services.tweets.removals` is done."""

FOLLOWEES = Collection(
    "followees",
    key={"follower_id": int, "followee_id": int},
    columns={"follow_id": int},
    indexes={"by_time": ("follower_id", "follow_id")},
    body=False,
)
"""Whom a user follows; `follow_id` is a Snowflake made at the time of following."""
FOLLOWERS = Collection(
    "followers",
    key={"followee_id": int, "follower_id": int},
    columns={"follow_id": int},
    indexes={"by_time": ("followee_id", "follow_id")},
    body=False,
)

FOLLOW_REQUESTS = Collection(
    "follow_requests",
    key={"followee_id": int, "follower_id": int},
    columns={"request_id": int},
    indexes={"by_time": ("followee_id", "request_id")},
    body=False,
)
"""Who asks to follow a private account."""
SENT_REQUESTS = Collection(
    "sent_requests",
    key={"follower_id": int, "followee_id": int},
    columns={"request_id": int},
    indexes={"by_time": ("follower_id", "request_id")},
    body=False,
)
"""Whom a user asks to follow."""
BLOCKS = Collection(
    "blocks",
    key={"blocker_id": int, "blocked_id": int},
    columns={"block_id": int},
    indexes={"by_time": ("blocker_id", "block_id")},
    body=False,
)
BLOCKED_BY = Collection(
    "blocked_by",
    key={"blocked_id": int, "blocker_id": int},
    columns={"block_id": int},
    body=False,
)
MUTES = Collection(
    "mutes",
    key={"muter_id": int, "muted_id": int},
    columns={"mute_id": int, "expires_ms": int},
    indexes={"by_time": ("muter_id", "mute_id")},
    expires="expires_ms",
    body=False,
)
"""Whom a user mutes, for ever where `expires_ms` is None."""
MUTED_CONVERSATIONS = Collection(
    "muted_conversations",
    key={"user_id": int, "conversation_id": int},
    columns={"mute_id": int},
    body=False,
)

FAVOURITES = Collection(
    "favourites",
    key={"user_id": int, "tweet_id": int},
    columns={"favourite_id": int},
    indexes={"by_time": ("user_id", "favourite_id")},
    body=False,
)
"""What a user likes (the seeds' Favoritor table)."""
FAVOURITERS = Collection(
    "favouriters",
    key={"tweet_id": int, "user_id": int},
    columns={"favourite_id": int},
    indexes={"by_time": ("tweet_id", "favourite_id")},
    body=False,
)
"""Who likes a tweet (the seeds' Favoritee table)."""

OUTBOX = Collection("outbox", key={"id": int})
EVENT_BACKLOG = Collection("event_backlog", key={"consumer": str, "id": int})
"""Events that one consumer has still to take, after all others took them."""
FAILED_EVENTS = Collection("failed_events", key={"consumer": str, "id": int})
"""Events that a consumer could not digest, with the reason, until the operator retries them."""
CELEBRITIES = Collection("celebrities", key={"user_id": int}, body=False)
IDEMPOTENCY = Collection(
    "idempotency",
    key={"scope": int, "idempotency_key": str},
    columns={"expires_ms": int},
    expires="expires_ms",
)
"""Outcome of a POST by its `Idempotency-Key`; `scope` is the user's id, 0 before sign-up."""
LEASES = Collection("leases", key={"worker": int}, columns={"holder": str, "expires_ms": int})
"""Snowflake worker numbers in use."""
JOBS = Collection("jobs", key={"name": str})
"""How far resumable work (bulk loads, migrations) has come."""
CLUSTER = Collection("cluster", key={"name": str}, columns={"version": int})
"""Who takes part in a cluster (`rookery.domain.placement.ClusterView`)."""

COLLECTIONS: tuple[Collection, ...] = (
    USERS,
    USERNAMES,
    EMAILS,
    USER_COUNTS,
    DEVICES,
    LOGIN_SOURCES,
    USED_TICKETS,
    SIGNING_KEYS,
    TWEETS,
    TWEET_EDITS,
    TWEET_COUNTS,
    POSTS,
    REPLIES,
    CONVERSATIONS,
    RETWEETS,
    RETWEETED,
    QUOTES,
    BOOKMARKS,
    BOOKMARKERS,
    PINS,
    TOMBSTONES,
    REMOVALS,
    FOLLOWEES,
    FOLLOWERS,
    FOLLOW_REQUESTS,
    SENT_REQUESTS,
    BLOCKS,
    BLOCKED_BY,
    MUTES,
    MUTED_CONVERSATIONS,
    FAVOURITES,
    FAVOURITERS,
    OUTBOX,
    EVENT_BACKLOG,
    FAILED_EVENTS,
    CELEBRITIES,
    IDEMPOTENCY,
    LEASES,
    JOBS,
    CLUSTER,
)
