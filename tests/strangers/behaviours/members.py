"""A signed-up attacker: nonsense in texts, paths, queries and cursors, at the limits of a user."""

import asyncio
import json
import os
from contextlib import suppress

from tests.strangers.ground import Member
from tests.strangers.hostile import HOST, JSON, NEVER, Behaviour, get, post

TEXTS = (
    "a",
    "\u202e\u2066\u2067" * 40 + "x",
    "a" + "\u0301" * 250,
    "👩‍👩‍👧‍👦" * 40,
    "\u200b" * 100,
    "\u3164\u2800\u034f",
    "\ufeff\ufffe",
    "https://" + "a" * 2_000 + ".com",
    "#" * 280,
    "@" * 280,
    "#a " * 90,
    "@user1 " * 40,
    "[/x] [bold] :runner: {{x}} ${x} %s %n <script>alert(1)</script>",
    "a\r\nb\r\n\r\nc",
    "\x1b[2J\x07",
    "ﷺ﷽" * 100,
    "x" * 100_000,
    "https://a.b/" + "(" * 500,
    "a.b.c.d.e." * 500,
)
PATHS = (
    "/users/%s",
    "/users/%s/followers",
    "/users/%s/timeline",
    "/users/by/username/%s",
    "/tweets/%s",
    "/tweets/%s/replies",
    "/tweets/%s/history",
    "/tweets/%s/conversation",
    "/tweets/%s/likes",
    "/devices/%s",
    "/docs/%s",
    "/%s",
)
VALUES = (
    "0",
    "-1",
    "1",
    "9223372036854775807",
    "9223372036854775808",
    "9" * 400,
    "1.0",
    "1e3",
    "0x10",
    "٣",
    "%00",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%5c..%5c",
    "%ff%fe",
    "%",
    "%zz",
    "%u0041",
    "a" * 4_000,
    "{id}",
    ";drop%20table",
    "%24where",
    "null",
    "%0d%0aX:y",
    "//",
    ".",
)
QUERIES = (
    "",
    "?limit=0",
    "?limit=101",
    "?limit=99999999999999999999",
    "?limit=-5",
    "?limit=1e2",
    "?limit=٣",
    "?limit=5&limit=5",
    "?cursor=",
    "?cursor=AAAA",
    "?cursor=" + "A" * 4_000,
    "?cursor=%00",
    "?cursor[]=1",
    "?cursor=" + "Zm9v" * 20,
    "?filter=foo",
    "?" + "&" * 2_000,
    "?" + "a=1&" * 300,
    "?=",
    "?%ff=%ff",
    "?page=-1",
)


class Outsider(Behaviour):
    """Paths and queries that do not exist, of somebody who did not sign in."""

    name = "nonsense in paths"

    async def act(self) -> None:
        wire = await self.wire()
        for _ in range(20):
            path = self.chance.choice(PATHS).replace("%s", self.chance.choice(VALUES))
            request = get((path + self.chance.choice(QUERIES)).encode())
            await wire.send(request)
            if not await self.answered(wire, request):
                break
        self.let_go(wire)


class Insider(Behaviour):
    """The attacker's own account: posts, likes, follows, edits and reads with nonsense in them."""

    name = "nonsense of a member"
    never = NEVER

    async def act(self) -> None:
        ground = self.ground
        if ground.member is None and not await self._sign_up():
            await asyncio.sleep(1.0)
            return
        wire = await self.wire()
        for _ in range(25):
            request = self._request()
            await wire.send(request)
            status, body = await wire.answer()
            self.note(str(status), f"{request[:300]!r} -> {body[:100]!r}")
            if status == 201 and b'"text"' in body:
                ground.posts += 1
                ground.newest = [*ground.newest[-30:], json.loads(body)["tweet"]["id"]]
            if status == 401:
                ground.member = None
                break
            if status in (429, 503):
                break
        self.let_go(wire)

    async def enlist(self) -> None:
        """Sign up, if the server lets one; other behaviours use the account, too."""
        with suppress(OSError, TimeoutError, EOFError):
            await self._sign_up()
        self.cut_all()

    def _request(self) -> bytes:
        member = self.ground.member
        assert member is not None
        signed = f"Authorization: Bearer {member.token}".encode()
        kind = self.chance.randrange(8)
        some_id = self.chance.choice([*self.ground.newest, *VALUES[:8]])
        if kind <= 2:
            body = {"text": self.chance.choice(TEXTS)}
            if self.chance.random() < 0.3:
                body["replyToTweetId"] = some_id
            return post("/tweets", json.dumps(body).encode(), signed)
        if kind == 3:
            verb = self.chance.choice(("like", "retweet", "bookmark"))
            return post(f"/tweets/{some_id}/{verb}", b"", signed)
        if kind == 4:
            who = self.chance.choice((member.user_id, *VALUES[:8]))
            return post(f"/users/{who}/follow", b"", signed)
        if kind == 5:
            field = self.chance.choice(("name", "bio", "location", "website", "avatarUrl"))
            change = json.dumps({field: self.chance.choice(TEXTS)}).encode()
            return _patch(f"/users/{member.user_id}", change, signed)
        if kind == 6:
            change = json.dumps({"text": self.chance.choice(TEXTS)}).encode()
            return _patch(f"/tweets/{some_id}", change, signed)
        path = self.chance.choice((*PATHS, "/timeline/home", "/users/me", "/devices"))
        target = path.replace("%s", self.chance.choice(VALUES)) + self.chance.choice(QUERIES)
        return get(target.encode(), signed)

    async def _sign_up(self) -> bool:
        ground = self.ground
        name = "evil" + os.urandom(5).hex()
        body = {
            "username": name,
            "email": f"{name}@example.org",
            "password": "correct horse battery",
            "name": name,
        }
        wire = await self.wire()
        await wire.send(post("/signup", json.dumps(body).encode()))
        status, raw = await wire.answer(within_s=15.0)
        self.note(f"{status}")
        self.let_go(wire)
        if status != 201:
            return False
        answer = json.loads(raw)
        ground.member = Member(answer["userId"], name, answer["token"], answer["refreshToken"])
        return True


def _patch(path: str, body: bytes, signed: bytes) -> bytes:
    return b"PATCH /api/v1%b HTTP/1.1\r\n%b%b%b\r\nContent-Length: %d\r\n\r\n%b" % (
        path.encode(),
        HOST,
        JSON,
        signed,
        len(body),
        body,
    )


BEHAVIOURS = (Outsider, Insider)
