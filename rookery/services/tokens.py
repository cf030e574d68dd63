"""Access tokens: JSON Web Tokens (RFC 7519) signed with HS256, and the keys that sign them.

After RFC 8725: the algorithm is fixed, the header is parsed strictly (no parameter but ``alg``,
``kid`` and ``typ``), every claim is required and typed, and nothing of a token is used before its
signature is verified. Times come from the caller's clock. Must not import http, connection or
actors.
"""

import asyncio
import base64
import binascii
import re
import secrets
from collections.abc import Callable

import jwt
import msgspec

from rookery.errors import InvalidToken, TokenExpired, Unavailable
from rookery.ids import parse_id
from rookery.models import Identity, SigningKey
from rookery.store.engine import Store
from rookery.store.signing_keys import SigningKeys

ALGORITHM = "HS256"
MAX_TOKEN_CHARS = 4096
RELOAD_S = 60
"""`KeyRing.load` is to be called at least this often."""

_SECRET_BYTES = 32
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_JWS = jwt.PyJWS([ALGORITHM])


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The protected header of a token."""

    alg: str
    kid: str
    typ: str


class Claims(msgspec.Struct, frozen=True):
    """The claims of a token; `iat` and `exp` in seconds since 1970."""

    sub: str
    username: str
    device: str
    iat: int
    exp: int
    jti: str


class UnknownKey(InvalidToken):
    """A token that names a key this process does not know; another process may have added it."""


class VerifiedToken(msgspec.Struct, frozen=True):
    """Who a token speaks for, and until when (ms since 1970)."""

    identity: Identity
    expires_ms: int


_header_decoder = msgspec.json.Decoder(Header)
_claims_decoder = msgspec.json.Decoder(Claims)


class KeyRing:
    """Signs and verifies access tokens with the keys of the store.

    `load` before use, and at least every `RELOAD_S` afterwards: it brings in keys that other
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

    @property
    def life_s(self) -> int:
        return self._life_s

    async def load(self) -> None:
        """Read the keys; add the first one if there is none; delete those of no more use."""
        self._loads_begun += 1
        keys = await self._keys.all()
        while not any(key.retired_ms is None for key in keys):
            await self._keys.add_next(
                keys[-1] if keys else None, secrets.token_bytes(_SECRET_BYTES), self._clock_ms()
            )
            keys = await self._keys.all()
        now_ms = self._clock_ms()
        dead = [key.kid for key in keys if self._is_dead(key, now_ms)]
        self._by_kid = {key.kid: key for key in keys if key.kid not in dead}
        self._current = keys[-1]
        await self._keys.remove(dead)

    async def rotate(self) -> None:
        """Sign with a new key from now on; tokens of the former stay good until they expire.

        Of several processes that rotate at once, one adds the key and all use it.
        """
        await self.load()
        await self._keys.add_next(
            self._signing_key(), secrets.token_bytes(_SECRET_BYTES), self._clock_ms()
        )
        await self.load()

    def sign(self, identity: Identity, now_ms: int) -> str:
        """A token for `identity`, good for `life_s` from `now_ms`.

        Raises:
            Unavailable: the keys were not loaded yet.
        """
        key = self._signing_key()
        issued_s = now_ms // 1000
        claims = Claims(
            sub=str(identity.user_id),
            username=identity.username,
            device=identity.device_id,
            iat=issued_s,
            exp=issued_s + self._life_s,
            jti=secrets.token_urlsafe(12),
        )
        payload = msgspec.json.encode(claims)
        return _JWS.encode(payload, key.secret, ALGORITHM, {"kid": key.kid, "typ": "JWT"})

    def verify(self, token: str, now_ms: int) -> VerifiedToken:
        """Who `token` speaks for. Costs some 30 µs of CPU; a device's revocation is not seen here.

        Raises:
            UnknownKey: its key is not known here; `reload_for` it, and try again.
            InvalidToken: it is malformed, or we did not sign it.
            TokenExpired: its time is over.
        """
        header = _header_of(token)
        key = self._by_kid.get(header.kid)
        if key is None:
            raise UnknownKey()
        if self._is_dead(key, now_ms):
            raise InvalidToken()
        try:
            payload = _JWS.decode(token, key.secret, [ALGORITHM])
            claims = _claims_decoder.decode(payload)
        except (jwt.PyJWTError, msgspec.MsgspecError) as error:
            raise InvalidToken() from error
        user_id = parse_id(claims.sub)
        if user_id is None:
            raise InvalidToken()
        if now_ms >= claims.exp * 1000:
            raise TokenExpired()
        identity = Identity(user_id, claims.username, claims.device)
        return VerifiedToken(identity, claims.exp * 1000)

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
    if header.alg != ALGORITHM or header.typ != "JWT":
        raise InvalidToken()
    return header
