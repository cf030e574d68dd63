"""Where a client finds the stream of live events."""

from rookery.authority import host_of
from rookery.http.declaring.endpoint import Call, endpoint
from rookery.http.native.schemas import Answer, Nothing
from rookery.http.native.services import Services
from rookery.services.accounts.tokens import TICKET_S

LOOPBACK = "127.0.0.1"
PROTOCOLS = ("rookery.v1.msgpack", "rookery.v1.json")


class StreamAddress(Answer, frozen=True, kw_only=True, rename="camel"):
    """A live connection server, the WebSocket subprotocols it speaks, and its heartbeat."""

    url: str
    protocols: tuple[str, ...]
    heartbeat_s: float


@endpoint(
    "GET", "/stream", "Where to open a WebSocket for live events", answers={200: StreamAddress}
)
async def stream(services: Services, call: Call[Nothing, Nothing, Nothing]) -> StreamAddress:
    url = await services.stream.pick()
    if "{host}" in url:  # the server listens on all its addresses: name the one that was used
        url = url.replace("{host}", host_of(call.host) or LOOPBACK)
    return StreamAddress(url=url, protocols=PROTOCOLS, heartbeat_s=services.heartbeat_s)


class StreamTicket(Answer, frozen=True, kw_only=True):
    """Opens one stream, once, within `expiresIn` seconds; for clients that can send no header."""

    ticket: str
    expires_in: int


@endpoint(
    "POST",
    "/stream/ticket",
    "A ticket to open one WebSocket with, in place of the token",
    answers={201: StreamTicket},
)
async def ticket(services: Services, call: Call[Nothing, Nothing, Nothing]) -> StreamTicket:
    until_ms = services.authenticator.expires_ms(call.access_token)
    return StreamTicket(ticket=services.tickets.issue(call.identity, until_ms), expires_in=TICKET_S)


ROUTES = (stream, ticket)
