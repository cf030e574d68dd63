"""A surface for tests, as unlike the native one as it can be: declared here, and nowhere else.

Bodies are forms, with files or without, unknown fields are ignored, errors have another shape,
pages are linked in a header, names are in snake case and tweets are rendered in its own way, with
cards of its own. Files are streamed in and out. What it shows comes from the same use-cases as what
the native one shows.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from html import escape
from typing import Annotated

import msgspec
from msgspec import Meta

from rookery.config import Limits as LimitSettings
from rookery.config.sections import PerMinute
from rookery.errors import NotFound, Protected, RookeryError
from rookery.http.addresses import Addresses
from rookery.http.declaring.bodies import FORM
from rookery.http.declaring.endpoint import (
    Auth,
    Call,
    Page,
    Reply,
    StreamedReply,
    endpoint,
)
from rookery.http.declaring.errors import ErrorFormat
from rookery.http.declaring.multipart import File, MultipartBodies
from rookery.http.declaring.parameters import Answer, Nothing, Parameters, UnknownFields
from rookery.http.declaring.surface import About, Render, Surface
from rookery.http.protocol.bodies import StreamBounds
from rookery.http.protocol.message import Request
from rookery.ids import parse_id
from rookery.security_log import Refusals
from rookery.services.accounts.authentication import Authenticator
from rookery.services.limits import Limits
from rookery.services.reading.shown import Entry, Marks, Shown
from rookery.services.tweets.tweets import NewTweet
from rookery.services.use_cases import UseCases

SURFACE = "toy"
MAX_FILE_BYTES = 3 << 20
PIECE_BYTES = 32 << 10


class ToyLimits(LimitSettings, frozen=True, kw_only=True):
    """The settings with one for an endpoint of this surface."""

    files_per_user: PerMinute = 2


@dataclass
class ToyServices:
    """What the handlers of this surface may call; the first four let requests through."""

    authenticator: Authenticator
    limits: Limits
    addresses: Addresses
    refusals: Refusals
    use_cases: UseCases
    files: dict[str, bytes] = field(default_factory=dict)
    most_waiting_bytes: int = 0
    """Of an upload, at most, what waited for its reader."""
    ended_downloads: int = 0
    between_pieces: Callable[[], Awaitable[None]] | None = None


class Card(Answer, frozen=True, kw_only=True):
    """What of a tweet is the same for everybody."""

    id: int
    content_html: str
    author_id: int


class Status(Card, frozen=True, kw_only=True):
    """A tweet as this surface shows it; `favourited` is None for who is not signed in."""

    favourites: int
    favourited: bool | None
    reblog: "Status | None"


class Problem(Answer, frozen=True, kw_only=True):
    """What went wrong."""

    problem: str
    kind: str


class Kept(Answer, frozen=True, kw_only=True):
    """A file that was kept."""

    size_bytes: int


class NewStatus(Parameters, frozen=True, kw_only=True):
    """What to post; a picture's bytes are only counted."""

    status: Annotated[str, Meta(max_length=500)]
    sensitive: bool = False
    picture: File | None = None


class AuthorPath(Parameters, frozen=True, kw_only=True):
    author_id: Annotated[str, Meta(pattern="^[0-9]{1,19}$")]


class Account(Answer, frozen=True, kw_only=True):
    """Who somebody is."""

    id: int
    acct: str


class LookupQuery(Parameters, frozen=True, kw_only=True):
    acct: str


class StatusPath(Parameters, frozen=True, kw_only=True):
    id: Annotated[str, Meta(pattern="^[0-9]{1,19}$")]

    @property
    def number(self) -> int:
        """Raises NotFound where no status can have the id."""
        value = parse_id(self.id)
        if value is None:
            raise NotFound("Status not found")
        return value


class FilePath(Parameters, frozen=True, kw_only=True):
    name: Annotated[str, Meta(pattern="^[a-z]{1,9}$", extra={"demand": "must be lower case"})]


class StatusesQuery(Parameters, frozen=True, kw_only=True):
    max_id: int = 0
    limit: Annotated[int, Meta(ge=1, le=40)] = 2


@endpoint("POST", "/statuses", "Post a status", answers={200: Status}, max_body_bytes=200_000)
async def post(services: ToyServices, call: Call[Nothing, Nothing, NewStatus]) -> Status:
    text = call.body.status
    if call.body.picture is not None:
        text += f" ({call.body.picture.name}: {len(call.body.picture.content)})"
    new = NewTweet(text=text, sensitive=call.body.sensitive)
    tweet = await services.use_cases.tweets.create(call.identity, new)
    return _status(await services.use_cases.reading.one(tweet.author_id, tweet.id))


@endpoint(
    "GET",
    "/statuses/{id}",
    "A status",
    answers={200: Status},
    errors=(NotFound,),
    auth=Auth.OPTIONAL,
)
async def one(services: ToyServices, call: Call[StatusPath, Nothing, Nothing]) -> Status:
    return _status(await services.use_cases.reading.one(call.viewer_id, call.path.number))


@endpoint(
    "POST",
    "/statuses/{id}/favourite",
    "Like a status",
    answers={200: Status},
    errors=(NotFound,),
)
async def favourite(services: ToyServices, call: Call[StatusPath, Nothing, Nothing]) -> Status:
    status_id = call.path.number
    await services.use_cases.engagement.like(call.identity, status_id)
    return _status(await services.use_cases.reading.one(call.viewer_id, status_id))


@endpoint(
    "GET",
    "/accounts/{author_id}/statuses",
    "What somebody posted",
    answers={200: list[Status]},
    errors=(NotFound, Protected),
    auth=Auth.OPTIONAL,
)
async def statuses(services: ToyServices, call: Call[AuthorPath, StatusesQuery, Nothing]) -> Page:
    author_id, query = int(call.path.author_id), call.query
    timelines = services.use_cases.timelines
    page = await timelines.user(call.viewer_id, author_id, query.max_id, query.limit)
    following = str(page.next_id) if page.next_id else None
    return Page("statuses", [_status(each) for each in page.tweets], following)


@endpoint("GET", "/home", "One's home", answers={200: list[Status]})
async def home(services: ToyServices, call: Call[Nothing, StatusesQuery, Nothing]) -> Page:
    query = call.query
    page = await services.use_cases.timelines.home(call.identity, query.max_id, query.limit)
    following = str(page.next_id) if page.next_id else None
    return Page("statuses", [_status(each) for each in page.tweets], following)


@endpoint(
    "GET",
    "/lookup",
    "An account, by its name",
    answers={200: Account},
    errors=(NotFound,),
    auth=Auth.OPTIONAL,
)
async def lookup(services: ToyServices, call: Call[Nothing, LookupQuery, Nothing]) -> Account:
    found = await services.use_cases.profiles.by_username(call.query.acct, call.viewer_id)
    return Account(id=found.user.id, acct=found.user.username)


@endpoint(
    "PUT",
    "/files/{name}",
    "Keep a file",
    answers={200: Kept},
    stream=StreamBounds(most_bytes=MAX_FILE_BYTES, within_s=60),
    own_limit="files_per_user",
)
async def keep(services: ToyServices, call: Call[FilePath, Nothing, Nothing]) -> Kept:
    pieces = []
    async for chunk in call.stream:
        services.most_waiting_bytes = max(services.most_waiting_bytes, len(chunk))
        pieces.append(chunk)
        if services.between_pieces is not None:
            await services.between_pieces()
    services.files[call.path.name] = b"".join(pieces)
    return Kept(size_bytes=len(services.files[call.path.name]))


@endpoint(
    "GET",
    "/files/{name}",
    "A file",
    answers={200: None},
    errors=(NotFound,),
    auth=Auth.NONE,
    media_type="application/octet-stream",
)
async def file(services: ToyServices, call: Call[FilePath, Nothing, Nothing]) -> StreamedReply:
    if call.path.name not in services.files:
        raise NotFound("File not found")
    return StreamedReply(_pieces(services, call.path.name), "application/octet-stream")


async def _pieces(services: ToyServices, name: str) -> AsyncGenerator[bytes, None]:
    content = services.files[name]
    try:
        for at in range(0, len(content), PIECE_BYTES):
            yield content[at : at + PIECE_BYTES]
    finally:
        services.ended_downloads += 1


@endpoint("GET", "/session", "Two cookies", answers={200: None}, auth=Auth.NONE)
async def session(services: ToyServices, call: Call[Nothing, Nothing, Nothing]) -> Reply:
    values = msgspec.json.encode(call.header_values(b"x-tag"))
    return Reply(values, repeated=(("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2; Path=/")))


def _card(entry: Entry) -> Card:
    """Kept beside what other surfaces made of the tweet."""
    card: Card | None = entry.cards.get(SURFACE)
    if card is None:
        tweet = entry.tweet
        html = f"<p>{escape(tweet.text)}</p>"
        card = Card(id=tweet.id, content_html=html, author_id=tweet.author_id)
        entry.cards[SURFACE] = card
    return card


def _status(shown: Shown) -> Status:
    marks = shown.marks
    return Status(
        **msgspec.structs.asdict(_card(shown.entry)),
        favourites=shown.entry.counts.likes,
        favourited=None if marks is None else bool(marks & Marks.LIKED),
        reblog=None if shown.original is None else _status(shown.original),
    )


def _problem(error: RookeryError, text: str) -> Problem:
    return Problem(problem=text, kind=error.code)


def _linked(page: Page, request: Request, render: Render) -> Reply:
    """A bare list; where the next page is stands in ``Link`` (RFC 8288)."""
    headers = {}
    if page.next_cursor is not None:
        host = request.header(b"host")
        headers["Link"] = f'<http://{host}{request.path}?max_id={page.next_cursor}>; rel="next"'
    return Reply(render(page.items), headers=headers)


def toy_surface(
    prefix: str = "/toy", host: str = "", allowed_origins: str | None = None
) -> Surface:
    """The surface, wherever it is to be."""
    return Surface(
        name=SURFACE,
        prefix=prefix,
        host=host,
        endpoints=(post, one, favourite, statuses, home, lookup, keep, file, session),
        errors=ErrorFormat(Problem, _problem),
        paginate=_linked,
        about=About(title="Toy", description="A surface of tests"),
        body_formats=(FORM, MultipartBodies(max_parts=4, max_part_bytes=100_000)),
        unknown_fields=UnknownFields.IGNORED,
        allowed_origins=allowed_origins,
    )
