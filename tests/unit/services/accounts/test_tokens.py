"""Access tokens and the keys that sign them."""

import asyncio
import base64
import json
from typing import Any

import jwt
import pytest

from rookery.errors import InvalidToken, TokenExpired, Unavailable
from rookery.models import Identity
from rookery.services.accounts.tokens import MAX_TOKEN_CHARS, RELOAD_S, KeyRing, UnknownKey
from rookery.store.engine import WriteBatch
from rookery.store.schema import SIGNING_KEYS
from tests.unit.memory_store import MemoryStore
from tests.unit.services.account_world import START_MS, Clock

IDENTITY = Identity(42, "ada", "device")
LIFE_S = 900


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def keys(store: MemoryStore, clock: Clock) -> KeyRing:
    ring = KeyRing(store, clock, life_s=LIFE_S)
    await ring.load()
    return ring


def secret_of(store: MemoryStore) -> bytes:
    secret: bytes = store.documents(SIGNING_KEYS)[-1]["secret"]
    return secret


def forge(store: MemoryStore, claims: dict[str, Any], **header: Any) -> str:
    """A token signed with the real key, but of our making."""
    return jwt.encode(claims, secret_of(store), "HS256", headers={"kid": "1", **header})


def claims_at(now_ms: int) -> dict[str, Any]:
    now_s = now_ms // 1000
    return {
        "sub": "42",
        "username": "ada",
        "device": "device",
        "iat": now_s,
        "exp": now_s + LIFE_S,
        "jti": "x",
    }


def segment(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


async def test_a_signed_token_verifies(keys: KeyRing, clock: Clock) -> None:
    """The identity comes back, with the moment at which the token ends."""
    verified = keys.verify(keys.sign(IDENTITY, clock()), clock())
    assert verified.identity == IDENTITY
    assert verified.expires_ms == START_MS + LIFE_S * 1000


async def test_claims_and_header(keys: KeyRing, store: MemoryStore, clock: Clock) -> None:
    """An independent library reads the claims; no two tokens are equal."""
    token = keys.sign(IDENTITY, clock())
    read = jwt.decode(
        token, secret_of(store), ["HS256"], options={"verify_exp": False, "verify_iat": False}
    )
    assert read.pop("jti")
    assert read == {k: v for k, v in claims_at(START_MS).items() if k != "jti"}
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "kid": "1", "typ": "JWT"}
    assert token != keys.sign(IDENTITY, clock())


async def test_expiry_is_exact(keys: KeyRing, clock: Clock) -> None:
    """A token is good until the last millisecond before its end, and not at its end."""
    token = keys.sign(IDENTITY, clock())
    keys.verify(token, START_MS + LIFE_S * 1000 - 1)
    with pytest.raises(TokenExpired):
        keys.verify(token, START_MS + LIFE_S * 1000)


async def test_signing_needs_keys(store: MemoryStore, clock: Clock) -> None:
    """Before the keys are loaded, signing fails as something that passes."""
    with pytest.raises(Unavailable):
        KeyRing(store, clock).sign(IDENTITY, clock())


@pytest.mark.parametrize(
    "token",
    [
        "",
        "garbage",
        "a.b",
        "a.b.c.d",
        "....",
        "a.b.c\n",
        "\ud800.b.c",
        "ü.b.c",
        segment(b"\xff\xfe") + ".e30.AAAA",
        segment([]) + ".e30.AAAA",
        segment(b"[" * 2900) + ".e30.AAAA",
        segment(b'{"alg":"HS256","typ":"JWT","kid":' + b"[" * 2800) + ".e30.AAAA",
        segment(b'{"x":' + b"[" * 2800) + ".e30.AAAA",
        segment({"alg": "HS256", "typ": "JWT"}) + ".e30.AAAA",
        segment({"alg": "HS256", "typ": "JWT", "kid": 1}) + ".e30.AAAA",
        segment({"alg": "none", "typ": "JWT", "kid": "1"}) + ".e30.AAAA",
        "A.e30.AAAA",
    ],
)
async def test_garbage_is_an_invalid_token(keys: KeyRing, clock: Clock, token: str) -> None:
    """Whatever is sent as a token, the answer is the one error."""
    with pytest.raises(InvalidToken) as caught:
        keys.verify(token, clock())
    assert type(caught.value) is InvalidToken


async def test_huge_tokens_are_not_parsed(keys: KeyRing, store: MemoryStore, clock: Clock) -> None:
    """Even a token with our signature is refused when it is longer than any of ours."""
    token = forge(store, claims_at(clock()) | {"device": "d" * MAX_TOKEN_CHARS})
    with pytest.raises(InvalidToken):
        keys.verify(token, clock())


async def test_unsigned_tokens_are_refused(keys: KeyRing, clock: Clock) -> None:
    """``alg: none`` is no way in."""
    token = jwt.encode(claims_at(clock()), "", "none", headers={"kid": "1"})
    with pytest.raises(InvalidToken):
        keys.verify(token, clock())
    with pytest.raises(InvalidToken):
        keys.verify(token + "AAAA", clock())


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_other_algorithms_are_refused(
    keys: KeyRing, store: MemoryStore, clock: Clock
) -> None:
    """The right key with another algorithm than ours does not count."""
    token = jwt.encode(claims_at(clock()), secret_of(store), "HS512", headers={"kid": "1"})
    with pytest.raises(InvalidToken):
        keys.verify(token, clock())


@pytest.mark.parametrize(
    "header",
    [{"typ": "at+jwt"}, {"typ": None}, {"crit": ["x"], "x": 1}, {"x5u": "https://example.org/key"}],
)
async def test_other_headers_are_refused(
    keys: KeyRing, store: MemoryStore, clock: Clock, header: dict[str, Any]
) -> None:
    """A header with another type, or with a parameter that we do not write, is not ours."""
    with pytest.raises(InvalidToken):
        keys.verify(forge(store, claims_at(clock()), **header), clock())


@pytest.mark.parametrize(
    "change",
    [
        {"sub": None},
        {"sub": 42},
        {"sub": ""},
        {"sub": "-1"},
        {"sub": "\u0661"},
        {"username": None},
        {"device": None},
        {"exp": None},
        {"exp": "9999999999"},
        {"exp": 1e300},
        {"iat": None},
        {"jti": None},
    ],
)
async def test_every_claim_is_required_and_typed(
    keys: KeyRing, store: MemoryStore, clock: Clock, change: dict[str, Any]
) -> None:
    """A genuine signature does not excuse a missing or wrong claim."""
    claims = {k: v for k, v in (claims_at(clock()) | change).items() if v is not None}
    payload = json.dumps(claims).encode()
    token = jwt.PyJWS().encode(payload, secret_of(store), "HS256", {"kid": "1"})
    with pytest.raises(InvalidToken):
        keys.verify(token, clock())


async def test_a_genuine_forgery_verifies(keys: KeyRing, store: MemoryStore, clock: Clock) -> None:
    """The forger of these tests works: unchanged claims do verify."""
    assert keys.verify(forge(store, claims_at(clock())), clock()).identity == IDENTITY


async def test_changed_tokens_are_refused(keys: KeyRing, clock: Clock) -> None:
    """Another payload under the same signature is refused."""
    header, _, signature = keys.sign(IDENTITY, clock()).split(".")
    payload = segment(claims_at(clock()) | {"sub": "43"})
    with pytest.raises(InvalidToken):
        keys.verify(f"{header}.{payload}.{signature}", clock())


async def test_first_start_of_many_makes_one_key(store: MemoryStore, clock: Clock) -> None:
    """Processes that start at once agree on one key."""
    rings = [KeyRing(store, clock) for _ in range(5)]
    await asyncio.gather(*(ring.load() for ring in rings))
    assert len(store.documents(SIGNING_KEYS)) == 1
    token = rings[0].sign(IDENTITY, clock())
    assert all(ring.verify(token, clock()).identity == IDENTITY for ring in rings)


async def test_rotation_keeps_old_tokens(keys: KeyRing, clock: Clock) -> None:
    """After a rotation new tokens have the new key, and old ones verify until they expire."""
    old = keys.sign(IDENTITY, clock())
    await keys.rotate()
    new = keys.sign(IDENTITY, clock())
    assert jwt.get_unverified_header(new)["kid"] == "2"
    clock.advance(LIFE_S - 1)
    assert keys.verify(old, clock()).identity == IDENTITY
    assert keys.verify(new, clock()).identity == IDENTITY


async def test_rotations_at_once_add_one_key(store: MemoryStore, clock: Clock) -> None:
    """Of processes that rotate at once one succeeds, and the others use its key."""
    rings = [KeyRing(store, clock) for _ in range(3)]
    await asyncio.gather(*(ring.load() for ring in rings))
    raced: list[WriteBatch] = []

    async def let_others_write(batch: WriteBatch) -> None:
        raced.append(batch)
        while len(raced) < 3:  # noqa: ASYNC110 - a barrier
            await asyncio.sleep(0)

    store.before_write = let_others_write
    await asyncio.gather(*(ring.rotate() for ring in rings))
    assert [key["kid"] for key in store.documents(SIGNING_KEYS)] == ["1", "2"]
    assert {jwt.get_unverified_header(r.sign(IDENTITY, clock()))["kid"] for r in rings} == {"2"}


async def test_retired_keys_end(keys: KeyRing, store: MemoryStore, clock: Clock) -> None:
    """A key whose tokens have all expired verifies nothing any more, and is then deleted."""
    await keys.rotate()
    clock.advance(LIFE_S + RELOAD_S)
    with pytest.raises(InvalidToken):
        keys.verify(forge_with_first_key(store, clock), clock())
    await keys.load()
    assert [key["kid"] for key in store.documents(SIGNING_KEYS)] == ["2"]


def forge_with_first_key(store: MemoryStore, clock: Clock) -> str:
    secret = store.documents(SIGNING_KEYS)[0]["secret"]
    return jwt.encode(claims_at(clock()), secret, "HS256", headers={"kid": "1"})


async def test_a_process_that_lags_behind_a_rotation(
    keys: KeyRing, store: MemoryStore, clock: Clock
) -> None:
    """What a process signs with the old key until its next load is good for its whole life."""
    laggard = KeyRing(store, clock, life_s=LIFE_S)
    await laggard.load()
    await keys.rotate()
    clock.advance(RELOAD_S - 1)
    token = laggard.sign(IDENTITY, clock())
    clock.advance(LIFE_S - 1)
    await keys.load()
    assert keys.verify(token, clock()).identity == IDENTITY


async def test_an_unknown_key_is_loaded(keys: KeyRing, store: MemoryStore, clock: Clock) -> None:
    """A token of a key that another process added verifies after a reload."""
    other = KeyRing(store, clock, life_s=LIFE_S)
    await other.rotate()
    token = other.sign(IDENTITY, clock())
    with pytest.raises(UnknownKey):
        keys.verify(token, clock())
    await keys.reload_for(token)
    assert keys.verify(token, clock()).identity == IDENTITY


async def test_many_unknown_keys_cost_few_loads(
    keys: KeyRing, store: MemoryStore, clock: Clock
) -> None:
    """A hundred invalid tokens at once lead to one or two reads, not a hundred."""
    token = segment({"alg": "HS256", "kid": "99", "typ": "JWT"}) + ".e30.AAAA"
    before = store.reads["range"]
    await asyncio.gather(*(keys.reload_for(token) for _ in range(100)))
    assert 1 <= store.reads["range"] - before <= 2
