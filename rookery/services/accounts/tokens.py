"""Access tokens: JSON Web Tokens (RFC 7519) signed with HS256, and the keys that sign them.

After RFC 8725: the algorithm is fixed, the header is parsed strictly (no parameter but ``alg``,
``kid`` and ``typ``), every claim is required and typed, and nothing of a token is used before its
signature is verified. Times come from the caller's clock.
"""

import asyncio
import base64
import binascii
import re
import secrets
from collections.abc import Callable
from typing import TypeVar

import jwt
import msgspec
import structlog

from rookery.errors import InvalidToken, RookeryError, TokenExpired, Unavailable
from rookery.ids import parse_id
from rookery.models import Identity, SigningKey
from rookery.store.engine import Store
from rookery.store.records.signing_keys import SigningKeys

log = structlog.get_logger(__name__)

ALGORITHM = "HS256"
MAX_TOKEN_CHARS = 4096
RELOAD_S = 60
"""`KeyRing.load` is to be called at least this often."""
KEEP_UP_S = 30.0
"""So often `KeyRing.keep_up` calls it."""

TICKET_S = 30
"""How long after it was issued a ticket opens a stream."""

_TOKEN = "JWT"
_TICKET = "rookery-ticket+jwt"
"""Types of tokens (RFC 8725, section 3.11), so that none can stand in for the other."""
_SECRET_BYTES = 32
_KID = re.compile(r"[1-9][0-9]{0,9}")
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_JWS = jwt.PyJWS([ALGORITHM])


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The protected header of a token."""

    alg: str
    kid: str
    typ: str


class Claims(msgspec.Struct, frozen=True, omit_defaults=True):
    """The claims of a token; `iat` and `exp` in seconds since 1970.

    `sid` is the sign-in it belongs to; tokens of former releases have none.
    """

    sub: str
    username: str
    device: str
    iat: int
    exp: int
    jti: str
    sid: str = ""


class TicketClaims(Claims, frozen=True, kw_only=True):
    """The claims of a ticket; `until` is when (ms since 1970) its access token ends."""

    until: int


class UnknownKey(InvalidToken):
    """A token that names a key this process does not know; another process may have added it."""


class VerifiedToken(msgspec.Struct, frozen=True):
    """Who a token speaks for, and until when (ms since 1970)."""

    identity: Identity
    expires_ms: int


class VerifiedTicket(msgspec.Struct, frozen=True):
    """Who a ticket speaks for, its number, and its own end (ms since 1970).

    A stream that is opened with it lasts until `until_ms`.
    """

    identity: Identity
    number: str
    expires_ms: int
    until_ms: int


_header_decoder = msgspec.json.Decoder(Header)
_claims_decoder = msgspec.json.Decoder(Claims)
_ticket_decoder = msgspec.json.Decoder(TicketClaims)
C = TypeVar("C", bound=Claims)


class KeyRing:
    """Signs and verifies access tokens with the keys of the store.

    `load` before use, and at least every `KEEP_UP_S` afterwards: it brings in keys that other
    processes added, and is why a retired key is accepted for `RELOAD_S` longer than its tokens
    live (a process may sign with it until it loads).
    """

    def __init__(self, store: Store, clock_ms: Callable[[], int], *, life_s: float = 900) -> None:
        """`life_s` is how long a token is good for, in whole seconds."""
        self._keys = SigningKeys(store)
        self._clock_ms = clock_ms
        self._life_s = max(1, int(life_s))
        self._by_kid: dict[str, SigningKey] = {}
        self._current: SigningKey | None = None
        self._loading = asyncio.Lock()
        self._loads_begun = 0
        self._loads_taken = 0
        self._on_revoked: list[Callable[[], None]] = []

    @property
    def life_s(self) -> int:
        return self._life_s

    async def load(self) -> None:
        """Read the keys; add the first one if there is none; delete those of no more use."""
        self._loads_begun += 1
        number = self._loads_begun
        keys = await self._keys.all()
        while not any(key.retired_ms is None for key in keys):
            await self._keys.add_next(
                keys[-1] if keys else None, secrets.token_bytes(_SECRET_BYTES), self._clock_ms()
            )
            keys = await self._keys.all()
        now_ms = self._clock_ms()
        dead = [key.kid for key in keys if self._is_dead(key, now_ms)]
        if number > self._loads_taken:  # else a load that began later has answered already
            self._loads_taken = number
            self._take({key.kid: key for key in keys if key.kid not in dead}, keys[-1])
        await self._keys.remove(dead)

    async def keep_up(self) -> None:
        """Take in what other processes rotated, every `KEEP_UP_S`, until cancelled."""
        while True:
            await asyncio.sleep(KEEP_UP_S)
            try:
                await self.load()
            except RookeryError as error:
                log.warning("signing keys not reloaded", error=str(error))

    def _take(self, by_kid: dict[str, SigningKey], current: SigningKey) -> None:
        now_ms = self._clock_ms()
        gone = [key for kid, key in self._by_kid.items() if kid not in by_kid]
        self._by_kid, self._current = by_kid, current
        if any(not self._is_dead(key, now_ms) for key in gone):
            for tell in self._on_revoked:
                tell()

    def on_revoked(self, tell: Callable[[], None]) -> None:
        """Call `tell` whenever keys were found to be revoked: all tokens before are of them."""
        self._on_revoked.append(tell)

    async def rotate(self, *, revoke: bool = False) -> str:
        """Sign with a new key from now on, and return its `kid`.

        Tokens of the former keys stay good until they expire; with `revoke` these keys are
        removed, and their tokens count no more in any process that has loaded since.

        Of several processes that rotate at once, one adds the key and all use it.
        """
        while True:
            await self.load()
            former, secret = self._signing_key(), secrets.token_bytes(_SECRET_BYTES)
            added = await self._keys.add_next(former, secret, self._clock_ms(), revoke=revoke)
            await self.load()
            if added or not revoke:
                return self._signing_key().kid

    def sign(self, identity: Identity, now_ms: int) -> str:
        """A token for `identity`, good for `life_s` from `now_ms`.

        Raises:
            Unavailable: the keys were not loaded yet.
        """
        return self._signed(_TOKEN, _claims(identity, now_ms, self._life_s))

    def sign_ticket(self, identity: Identity, until_ms: int, now_ms: int) -> str:
        """A ticket that opens one stream for `identity` within `TICKET_S`.

        The stream ends at `until_ms`, with the access token that the ticket was asked for with.

        Raises:
            Unavailable: the keys were not loaded yet.
        """
        claims = msgspec.structs.asdict(_claims(identity, now_ms, TICKET_S))
        return self._signed(_TICKET, TicketClaims(**claims, until=until_ms))

    def _signed(self, kind: str, claims: Claims) -> str:
        key = self._signing_key()
        payload = msgspec.json.encode(claims)
        return _JWS.encode(payload, key.secret, ALGORITHM, {"kid": key.kid, "typ": kind})

    def verify(self, token: str, now_ms: int) -> VerifiedToken:
        """Who `token` speaks for. Costs some 30 µs of CPU; a device's revocation is not seen here.

        Raises:
            UnknownKey: its key is not known here; `reload_for` it, and try again.
            InvalidToken: it is malformed, or we did not sign it.
            TokenExpired: its time is over.
        """
        claims = self._verified(_TOKEN, _claims_decoder, token, now_ms)
        return VerifiedToken(_identity_of(claims), claims.exp * 1000)

    def verify_ticket(self, ticket: str, now_ms: int) -> VerifiedTicket:
        """As `verify`, for a ticket; whether it was used before is not seen here."""
        claims = self._verified(_TICKET, _ticket_decoder, ticket, now_ms)
        return VerifiedTicket(_identity_of(claims), claims.jti, claims.exp * 1000, claims.until)

    def _verified(self, kind: str, decoder: msgspec.json.Decoder[C], token: str, now_ms: int) -> C:
        header = _header_of(token)
        if header.typ != kind:
            raise InvalidToken()
        key = self._by_kid.get(header.kid)
        if key is None:
            if self._is_former(header.kid):
                raise TokenExpired()
            raise UnknownKey()
        if self._is_dead(key, now_ms):
            raise InvalidToken()
        try:
            payload = _JWS.decode(token, key.secret, [ALGORITHM])
            claims = decoder.decode(payload)
        except (jwt.PyJWTError, msgspec.MsgspecError) as error:
            raise InvalidToken() from error
        if parse_id(claims.sub) is None:
            raise InvalidToken()
        if now_ms >= claims.exp * 1000:
            raise TokenExpired()
        return claims

    async def reload_for(self, token: str) -> None:
        """Load the keys because of `token`'s unknown key, unless a load that began later did.

        However many invalid tokens arrive, one load runs at a time and answers all who wait.
        """
        begun_before = self._loads_begun
        async with self._loading:
            if self._loads_begun == begun_before and _header_of(token).kid not in self._by_kid:
                await self.load()

    def _signing_key(self) -> SigningKey:
        if self._current is None:
            raise Unavailable("The signing keys are not loaded yet")
        return self._current

    def _is_former(self, kid: str) -> bool:
        """Whether `kid` was the number of a key that is gone.

        Whatever it signed is over, by time or because the key was revoked: like any token that
        is over it is to be refreshed. Nothing is given away to whoever makes one up.
        """
        current = self._current
        return (
            current is not None and _KID.fullmatch(kid) is not None and int(kid) < int(current.kid)
        )

    def _is_dead(self, key: SigningKey, now_ms: int) -> bool:
        if key.retired_ms is None:
            return False
        return now_ms >= key.retired_ms + (self._life_s + RELOAD_S) * 1000


def _header_of(token: str) -> Header:
    if len(token) > MAX_TOKEN_CHARS:
        raise InvalidToken()
    match = _COMPACT.fullmatch(token)
    if match is None:
        raise InvalidToken()
    segment = match[1]
    try:
        header = _header_decoder.decode(
            base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
        )
    except (binascii.Error, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidToken() from error
    if header.alg != ALGORITHM or header.typ not in (_TOKEN, _TICKET):
        raise InvalidToken()
    return header


def _claims(identity: Identity, now_ms: int, life_s: int) -> Claims:
    issued_s = now_ms // 1000
    return Claims(
        sub=str(identity.user_id),
        username=identity.username,
        device=identity.device_id,
        iat=issued_s,
        exp=issued_s + life_s,
        jti=secrets.token_urlsafe(12),
        sid=identity.session,
    )


def _identity_of(claims: Claims) -> Identity:
    return Identity(int(claims.sub), claims.username, claims.device, claims.sid)
