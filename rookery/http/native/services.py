"""The use-cases that the HTTP surface stands on, as one value handed to every handler.

Composed by `rookery.compose.app`.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field

from rookery.http.addresses import Addresses
from rookery.security_log import Refusals
from rookery.services.accounts.accounts import Accounts
from rookery.services.accounts.authentication import Authenticator
from rookery.services.accounts.profiles import Profiles
from rookery.services.accounts.stream_tickets import StreamTickets
from rookery.services.graph.follows import Graph
from rookery.services.limits import Limits
from rookery.services.ports import StreamDirectoryPort
from rookery.services.reading.cards import Cards
from rookery.services.reading.timelines import Timelines
from rookery.services.tweets.bookmarks import Bookmarks
from rookery.services.tweets.engagement import Engagement
from rookery.services.tweets.pins import Pins
from rookery.services.tweets.retweets import Retweets
from rookery.services.tweets.tweets import Tweets


async def _nobody(user_id: int) -> Collection[str]:
    return ()


@dataclass(frozen=True)
class Services:
    """What handlers may call.

    `ready` says of each part that is needed whether it answers; it must not raise, and must
    return within a second or two. `connected` names the devices of a user that hold a stream, as
    far as is known; it must not raise either. `heartbeat_s` is told to WebSocket clients.
    """

    authenticator: Authenticator
    accounts: Accounts
    profiles: Profiles
    graph: Graph
    tweets: Tweets
    engagement: Engagement
    retweets: Retweets
    bookmarks: Bookmarks
    pins: Pins
    cards: Cards
    timelines: Timelines
    tickets: StreamTickets
    stream: StreamDirectoryPort
    ready: Callable[[], Awaitable[Mapping[str, bool]]]
    limits: Limits
    addresses: Addresses = field(default_factory=Addresses)
    refusals: Refusals = field(default_factory=Refusals)
    connected: Callable[[int], Awaitable[Collection[str]]] = _nobody
    heartbeat_s: float = 20.0
