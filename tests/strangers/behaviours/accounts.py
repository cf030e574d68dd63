"""Log-ins, sign-ups and tokens that are guessed, by the hundred."""

import asyncio
import base64
import json
import os

from tests.strangers.hostile import NEVER, TAKEN, Behaviour, get, post


class _Many(Behaviour):
    """Requests of which many are under way at the same time."""

    AT_ONCE = 20
    pause_s = 0.1
    WITHIN_S = 15.0

    def request(self) -> bytes:
        raise NotImplementedError

    async def act(self) -> None:
        asks = (self.ask(self.request(), self.WITHIN_S) for _ in range(self.AT_ONCE))
        for outcome in await asyncio.gather(*asks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome


class GuessesAtOne(_Many):
    """Passwords of one account, called by its name and by its e-mail, in all ways to write them."""

    name = "log-ins at one account"
    never = NEVER | TAKEN

    def request(self) -> bytes:
        name = self.ground.victim_name
        identifier = self.chance.choice(
            (
                ("username", name),
                ("username", name.upper()),
                ("username", f" {name} "),
                ("email", f"{name}@example.org"),
                ("email", f"{name.title()}@EXAMPLE.org"),
            )
        )
        guess = {"password": os.urandom(6).hex(), identifier[0]: identifier[1]}
        if self.chance.random() < 0.3:
            guess["deviceId"] = os.urandom(8).hex()
        return post("/login", json.dumps(guess).encode())


class GuessesAtMany(_Many):
    """One password tried on many accounts, most of which do not exist."""

    name = "log-ins at many accounts"
    never = NEVER | TAKEN

    def request(self) -> bytes:
        name = f"user{self.chance.randrange(100_000)}"
        return post("/login", json.dumps({"password": "hunter2222", "username": name}).encode())


class SignUpFlood(_Many):
    """Accounts by the hundred; each that is made costs a hash."""

    name = "sign-ups"
    AT_ONCE = 15

    def request(self) -> bytes:
        name = "x" + os.urandom(6).hex()
        body = {
            "username": name,
            "email": f"{name}@example.org",
            "password": "correct horse battery",
            "name": self.chance.choice(("A", "\u202egnol", "é" * 50, "👩‍👩‍👧‍👦")),
        }
        return post("/signup", json.dumps(body).encode())


class RefreshGuesses(_Many):
    """Refresh tokens: garbage, and such of the right form."""

    name = "guesses at refresh tokens"
    never = NEVER | TAKEN

    def request(self) -> bytes:
        forms = [
            os.urandom(32).hex(),
            base64.urlsafe_b64encode(os.urandom(48)).decode(),
            f"1.{os.urandom(8).hex()}.{os.urandom(32).hex()}",
            f"{2**63 - 1}.{'d' * 64}.{os.urandom(32).hex()}",
            "..",
            "a" * 1_024,
            "\u0000",
        ]
        return post(
            "/token/refresh", json.dumps({"refreshToken": self.chance.choice(forms)}).encode()
        )


class TokenGarbage(_Many):
    """Access tokens that nobody signed: other algorithms, keys, forms, claims."""

    name = "forged tokens"
    never = NEVER | TAKEN
    AT_ONCE = 10

    def request(self) -> bytes:
        def part(value: object) -> str:
            raw = value if isinstance(value, bytes) else json.dumps(value).encode()
            return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

        headers = (
            {"alg": "none", "typ": "JWT"},
            {"alg": "HS256", "typ": "JWT", "kid": os.urandom(4).hex()},
            {"alg": "HS256", "typ": "JWT", "kid": "../../etc/passwd"},
            {"alg": "RS256", "typ": "JWT", "kid": "1", "jku": "http://127.0.0.1/"},
            {"alg": "HS256", "typ": "JWT", "kid": "1", "crit": ["x"]},
            b"\xff\xfe",
            b"[" * 500,
        )
        claims = {"sub": "1", "username": "a", "device": "d", "iat": 1, "exp": 9e9, "jti": "j"}
        tokens = (
            f"{part(self.chance.choice(headers))}.{part(claims)}.{part(os.urandom(32))}",
            f"{part(headers[0])}.{part(claims)}.",
            "a.b.c",
            "." * 3_000,
            "é",
            "x" * 9_000,
        )
        token = self.chance.choice(tokens).encode()
        field = self.chance.choice((b"Authorization: Bearer ", b"Authorization: bearer  ")) + token
        return get(self.chance.choice(("/users/me", "/timeline/home", "/devices")), field)


BEHAVIOURS = (GuessesAtOne, GuessesAtMany, SignUpFlood, RefreshGuesses, TokenGarbage)
