"""What the names of the native surface's fields mean, for its OpenAPI document. Pure.

A name means the same wherever it stands, so it is explained once, here. A field whose declaration
describes it keeps that description.
"""

from collections.abc import Mapping
from types import MappingProxyType

from rookery.http.declaring.glossary import Glossary
from rookery.http.native.schemas import ID_PATTERN

_MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        # Users
        "userId": "Id of the user",
        "username": "The user's name, 1 to 15 letters, digits and underscores; case does not count",
        "name": "Name to be shown",
        "bio": "What the user says about itself, at most 160 characters",
        "location": "Where the user says to be, at most 30 characters",
        "website": "The user's address on the web, or empty",
        "avatarUrl": "Address of the user's picture, or empty",
        "bannerUrl": "Address of the picture above the profile, or empty",
        "isPrivate": "Whether the user wants to approve followers",
        "whoMayMessage": "Who may write to one, once there are messages; it is kept until then",
        "hideLikes": "Whether what one likes is shown to oneself alone",
        "discoverable": "Whether search and suggestions may name one, once there are such; it is"
        " kept until then",
        "followersCount": "How many follow the user",
        "followingCount": "How many the user follows",
        "tweetsCount": "How many tweets the user has, replies and retweets included, but for those"
        " for whom they mention",
        "likesCount": "How many tweets the user likes; 0 where the list is not for the viewer",
        "pinnedCount": "How many tweets pinned to the profile the viewer may see",
        "role": "What else than a user it is; absent for most",
        "email": "Address for mail; shown to its owner alone",
        "following": "Whether one follows the user; absent without a viewer, and of oneself",
        "followedBy": "Whether the user follows one; absent without a viewer, and of oneself",
        "requested": "Whether one asks to follow the user; absent like `following`",
        "blocking": "Whether one blocks the user; absent like `following`",
        "muting": "Whether one mutes it now; of users absent like `following`",
        "mutedUntil": "When the mute ends; null: never, or there is none",
        "user": "The profile of who logged in",
        "profile": "The profile of the new account",
        "author": "Who posted the tweet",
        # Signing in
        "password": "At least 8 characters; of any script, spaces included",
        "token": "Access token, to be sent as `Authorization: Bearer`",
        "refreshToken": "What the next access token is had for; each is good once",
        "expiresIn": "Seconds for which it is good",
        "deviceId": "Id of the device; keep it, and give it when logging in again",
        "deviceName": "What the device is called in the list of devices",
        "expiresAt": "When it ends if it is not used",
        "lastAddress": "Address of the network that it was used from last",
        "ticket": "What opens one stream, once; to be given as `?ticket=`",
        "connected": "Whether the device holds a stream just now",
        "current": "Whether this is the device that asks",
        # Tweets
        "id": "Its id",
        "tweetId": "Id of the tweet",
        "tweet": "The tweet as it is now",
        "text": "What it says, at most 280 weighted characters (twitter-text 3); any Unicode",
        "createdAt": "When it came to be",
        "editedAt": "When it was edited last; null: never",
        "lastSeenAt": "When it was seen last",
        "version": "Number of the version, from 1 on",
        "entities": "Mentions, hashtags, cashtags and addresses in the text",
        "inReplyToId": "Id of the tweet that this one answers, which may be deleted by now",
        "inReplyToUserId": "Id of who posted the tweet that this one answers",
        "conversationId": "Id of the tweet that the conversation began with",
        "retweetOfId": "Id of the tweet that this one repeats",
        "quoteOfId": "Id of the tweet that this one quotes",
        "media": "Attached pictures and videos",
        "sensitive": "Whether the author marked it as not for everybody",
        "lang": "Its language as the author gave it, a BCP 47 tag",
        "visibility": "Who may see it",
        "likeCount": "How many like it",
        "retweetCount": "How often it was retweeted",
        "replyCount": "How many direct replies it has",
        "quoteCount": "How often it was quoted",
        "pinned": "Whether its author has pinned it to the profile",
        "retweetOf": "The whole of the tweet that this one retweets",
        "quoteOf": "The whole of the tweet that this one quotes, or what stands in its place",
        "liked": "Whether one likes it; absent without a viewer",
        "retweeted": "Whether one has retweeted it; absent without a viewer",
        "bookmarked": "Whether one has bookmarked it; absent without a viewer",
        "replyToTweetId": "Id of the tweet to answer",
        "quoteTweetId": "Id of the tweet to quote",
        "retweetId": "Id of the retweet, or of the quote",
        "comment": "What to say about the tweet; makes a quote of the retweet",
        "unavailable": "Why it is not shown",
        # Places in a text
        "mentions": "Users that are named, as `@name`",
        "hashtags": "Words with `#`",
        "cashtags": "Symbols with `$`",
        "urls": "Addresses of the web",
        "start": "Where it begins, in Unicode code points (not UTF-16 code units)",
        "end": "Behind its last character, in Unicode code points (not UTF-16 code units)",
        "tag": "The word, without `#`",
        "symbol": "The symbol, without `$`",
        "url": "Where it is found",
        # Media
        "type": "Its kind",
        "previewUrl": "Address of a smaller picture",
        "width": "Pixels from left to right",
        "height": "Pixels from top to bottom",
        "durationS": "Seconds that it lasts; null for pictures",
        "blurhash": "A few colours to be shown until it is loaded, as BlurHash",
        "alt": "What is to be seen, for who cannot",
        "focus": "What stays in sight when it is cut",
        "x": "From the left (-1) to the right (1)",
        "y": "From the bottom (-1) to the top (1)",
        "sizeBytes": "Bytes of the file",
        "state": "Whether it can be shown",
        # Lists
        "tweets": "The tweets of this page",
        "replies": "The replies of this page",
        "users": "The users of this page",
        "followers": "The followers of this page",
        "devices": "The devices",
        "versions": "The versions of this page",
        "ancestors": "What the tweet answers, from the root down; empty but on the first page",
        "descendants": "What answers the tweet, each followed by its own replies",
        "nextCursor": "Where the next page begins, to be given as `cursor`; null: there is none",
        "page": "Number of the page, from 1 (the newest) on; instead of `cursor`",
        "filter": "Only posts of this kind",
        # The server
        "message": "What was done, for people",
        "error": "What is wrong, for people; it may change",
        "code": "What is wrong, for programs; it does not change",
        "field": "The part at fault: a JSON path, a parameter or a header; absent: none alone",
        "protocols": "WebSocket subprotocols that are spoken there",
        "heartbeatS": "Seconds between two pings",
        "status": "How it is",
        "checks": "For each part that is needed whether it answers",
        "openapi": "Version of the OpenAPI specification",
        "info": "What the document is about",
        "title": "What the API is called",
        "description": "What to know first",
    }
)
_BY_TYPE: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("following", "array"): "The followed users of this page",
        ("version", "string"): "The release of the server",
    }
)
"""What else a name means where its values are of this type."""
_URLS = frozenset({"previewUrl"})
_IDS = frozenset({"deviceId"})
"""Names that end like those of ids, and are none."""
GLOSSARY = Glossary(
    meanings=_MEANINGS,
    by_type=_BY_TYPE,
    urls=_URLS,
    no_ids=_IDS,
    id_pattern=ID_PATTERN,
    time_suffixes=("At", "Until"),
)
