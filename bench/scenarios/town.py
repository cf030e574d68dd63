"""The accounts of a run: signed up and following each other before it begins, over REST alone."""

import logging
import random
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import gevent  # type: ignore[import-untyped]
import msgspec
from gevent.pool import Pool  # type: ignore[import-untyped]
from locust.contrib.fasthttp import FastHttpSession
from locust.event import EventHook

from bench.scenarios.ledger import Ledger, Unanswered
from bench.scenarios.rest import LIMITED, OVERLOADED, Account, Answer, Rest
from bench.scenarios.seeding import Seeds

log = logging.getLogger("rookery.town")

AT_ONCE = 16
SIGN_UPS_AT_ONCE = 4
"""Few, as each keeps a core of the server busy with Argon2."""
PROGRESS_S = 5.0
LEAST_PEOPLE = 10
PATIENCE_S = 180.0
NO_ANSWER_WAIT_S = 0.5

PEOPLE, CELEBRITIES, SPAMMERS = "people", "celebrities", "spammers"
SOCIALITES = "socialites"
"""Who block, mute and are private: whom no others follow, so that the others' homes are known."""
ROLES = (PEOPLE, CELEBRITIES, SPAMMERS, SOCIALITES)


class Unprepared(Exception):
    """The server cannot be used for a run; the text says why, and what to do."""


class Kept(msgspec.Struct, rename="camel", frozen=True):
    """A line of the file of accounts."""

    role: str
    user_id: str
    username: str
    password: str
    refresh_token: str


class Town:
    """Everybody's account, and what they did.

    Accounts are played by one Locust user at a time. The requests made here are not counted.
    """

    def __init__(
        self, host: str, follows: int, file: Path | None, seeds: Seeds | None = None
    ) -> None:
        """`follows`: how many others each follows. `file`: where accounts are kept, if they are.

        `seeds` sign up those who are there before a run, where the server is on this machine.
        """
        self.ledger = Ledger()
        uncounted = EventHook()  # type: ignore[no-untyped-call]
        self.rest = Rest(FastHttpSession(host, uncounted, None, concurrency=AT_ONCE))
        self.accounts: dict[str, list[Account]] = {role: [] for role in ROLES}
        self._idle: dict[str, list[Account]] = {role: [] for role in self.accounts}
        self.host = host
        self._seeds = seeds
        self._follows = follows
        self._file = file
        self._names = f"l{secrets.token_hex(3)}"
        self._named = 0

    def check(self) -> None:
        """Raise `Unprepared` unless the server is ready."""
        answer = self.rest.call("GET", "/ready")
        if not answer.status:
            raise Unprepared(
                f"no server answers at {self.host}; start one (rookery serve) or name it by --host"
            )
        if not answer.ok:
            raise Unprepared(f"the server at {self.host} is not ready: {answer.body}")

    def prepare(self, wanted: dict[str, int]) -> None:
        """Have as many accounts of each role, following each other.

        Raises:
            Unprepared: the server refuses.
        """
        if self._file is not None and self._file.exists() and not any(self.accounts.values()):
            self._all(self._reuse, self._kept(), "kept accounts signed in", SIGN_UPS_AT_ONCE)
        wanted = {**wanted, PEOPLE: max(LEAST_PEOPLE, wanted.get(PEOPLE, 0))}
        new = [
            role for role, count in wanted.items() for _ in range(count - len(self.accounts[role]))
        ]
        if new:
            self._all(self._settle_in, new, "accounts signed up", SIGN_UPS_AT_ONCE)
            pairs = [
                (account, followee.user_id)
                for role in self.accounts
                for account in self.accounts[role]
                for followee in self._chosen(role, account)
            ]
            random.shuffle(pairs)
            self._all(self._follow_or_raise, pairs, "follows")
            self.keep()

    def _chosen(self, role: str, account: Account) -> list[Account]:
        """Whom an account that is new is to follow."""
        known = self.ledger.following[account.user_id]
        if known or role == SPAMMERS:
            return []
        people = [other for other in self.accounts[PEOPLE] if other is not account]
        stars = [other for other in self.accounts[CELEBRITIES] if other is not account]
        return random.sample(people, min(self._follows, len(people))) + stars

    def _all(
        self, act: Callable[[Any], None], items: Iterable[Any], what: str, at_once: int = AT_ONCE
    ) -> None:
        """Do it for all, some at a time, and tell how far it is."""
        items = list(items)
        pool, told_s = Pool(at_once), monotonic()
        for done, failed in enumerate(pool.imap_unordered(_returning(act), items), start=1):
            if failed is not None:
                pool.kill()
                raise failed
            if monotonic() - told_s > PROGRESS_S or done == len(items):
                told_s = monotonic()
                log.info("Preparing: %d of %d %s", done, len(items), what)

    def _settle_in(self, role: str) -> None:
        account, answer = self.sign_up(self.rest, self._seeds)
        if account is None:
            raise Unprepared(f"sign-ups are refused: {answer.status} {answer.body}")
        self._belongs(role, account)

    def _belongs(self, role: str, account: Account) -> None:
        self.accounts[role].append(account)
        self._idle[role].append(account)

    def _kept(self) -> list[Kept]:
        assert self._file is not None
        try:
            lines = self._file.read_bytes().splitlines()
            return [msgspec.json.decode(line, type=Kept) for line in lines]
        except (OSError, msgspec.DecodeError) as error:
            raise Unprepared(f"cannot read the accounts in {self._file}: {error}") from error

    def _reuse(self, kept: Kept) -> None:
        """Sign a kept account in: by its refresh token, which is cheap, or else its password."""
        account = Account(int(kept.user_id), kept.username, kept.password)
        answer = self._persistently(
            "POST", "/token/refresh", body={"refreshToken": kept.refresh_token}
        )
        if not answer.ok:
            body = {"username": kept.username, "password": kept.password}
            answer = self._persistently("POST", "/login", body=body)
        if not answer.ok or kept.role not in self.accounts:
            raise Unprepared(
                f"{kept.username} of {self._file} cannot sign in at {self.host}"
                f" ({answer.status} {answer.code}); remove the file, and accounts are made anew"
            )
        account.took(answer.body)
        path = f"/users/{account.user_id}/following?limit=100"
        cursor = ""
        while cursor is not None:
            page = self._persistently("GET", path + cursor, account=account)
            if not page.ok:
                raise Unprepared(f"{path} answers {page.status} {page.code}")
            self.ledger.following[account.user_id] |= {int(u["id"]) for u in page.body["following"]}
            cursor = page.body["nextCursor"] and f"&cursor={page.body['nextCursor']}"
        self._belongs(kept.role, account)

    def keep(self) -> None:
        """Write the accounts to their file, if there is one; passwords, so for its owner only.

        Raises:
            Unprepared: it cannot be written.
        """
        if self._file is None:
            return
        lines = [
            msgspec.json.encode(
                Kept(role, str(each.user_id), each.username, each.password, each.refresh_token)
            )
            for role, accounts in self.accounts.items()
            for each in accounts
        ]
        try:
            self._file.touch(0o600)
            self._file.write_bytes(b"\n".join(lines) + b"\n")
        except OSError as error:
            raise Unprepared(f"cannot write {self._file}: {error.strerror}") from error

    def take(self, role: str) -> Account:
        """An account that nobody plays, made now if there is none."""
        if not self._idle[role]:
            self._settle_in(role)
        return self._idle[role].pop()

    def give_back(self, role: str, account: Account) -> None:
        self._idle[role].append(account)

    def sign_up(self, rest: Rest, seeds: Seeds | None = None) -> tuple[Account | None, Answer]:
        """A new account, or None and why not. Waits as long as the server asks one address to."""
        self._named += 1
        name = f"{self._names}_{self._named}"
        body = {
            "email": f"{name}@example.org",
            "username": name,
            "password": secrets.token_urlsafe(12),
            "name": f"Locust {self._named}",
        }
        seeded = None if seeds is None else seeds.sign_up(body)
        answer = seeded or self._persistently(
            "POST", "/signup", rest=rest, body=body, key=uuid4().hex
        )
        if not answer.ok:
            return None, answer
        account = Account(int(answer.body["userId"]), name, body["password"])
        account.took(answer.body)
        return account, answer

    def _persistently(
        self, method: str, path: str, *, rest: Rest | None = None, **request: Any
    ) -> Answer:
        """Send a request again while the server asks to wait, or does not answer."""
        until_s = monotonic() + PATIENCE_S
        while True:
            answer = (rest or self.rest).call(method, path, may_be_limited=True, **request)
            if answer.status not in (0, LIMITED, OVERLOADED) or monotonic() > until_s:
                return answer
            if answer.status == LIMITED:
                log.info("%s: waiting %s s for the rate limit", path, answer.retry_after_s)
            gevent.sleep(answer.retry_after_s or NO_ANSWER_WAIT_S)

    def _follow_or_raise(self, pair: tuple[Account, int]) -> None:
        if not self.follow(self.rest, *pair):
            raise Unprepared("follows are refused; see the rate limits of the server")

    def follow(self, rest: Rest, account: Account, followee_id: int) -> bool:
        """Follow somebody; whether that was acknowledged."""
        self.ledger.open_follows.add((account, followee_id))
        path = f"/users/{followee_id}/follow"
        answer = rest.call("POST", path, name="/users/:id/follow", account=account)
        if answer.ok:
            self.ledger.followed(account, followee_id)
        return answer.ok

    def post(
        self, rest: Rest, account: Account, text: str, *, name: str = "/tweets", reply_to: str = ""
    ) -> int | None:
        """Post; see `_send`."""
        body = {"text": text, **({"replyToTweetId": reply_to} if reply_to else {})}
        return self._send(rest, account, "/tweets", body, name)

    def retweet(
        self,
        rest: Rest,
        account: Account,
        tweet_id: str,
        comment: str = "",
        *,
        hidden: bool = False,
    ) -> int | None:
        """Retweet, or quote with a comment; see `_send`. `hidden`: as `Rest.call`'s."""
        body = {"comment": comment} if comment else {}
        name = "/tweets/:id/retweet" + (" (quote)" if comment else "")
        return self._send(rest, account, f"/tweets/{tweet_id}/retweet", body, name, hidden)

    def _send(
        self,
        rest: Rest,
        account: Account,
        path: str,
        body: dict[str, Any],
        name: str,
        hidden: bool = False,
    ) -> int | None:
        """Send a post, again with the same key as long as the server asks to wait; the tweet's id.

        None where the outcome is unknown, or the server refused. The ledger knows which.
        """
        key = uuid4().hex
        self.ledger.open_posts[key] = Unanswered(account, path, body)
        while True:
            answer = rest.call(
                "POST", path, name=name, account=account, body=body, key=key, may_be_hidden=hidden
            )
            if answer.status != OVERLOADED or answer.retry_after_s is None:
                return self._outcome(key, answer)
            gevent.sleep(answer.retry_after_s)

    def _outcome(self, key: str, answer: Answer) -> int | None:
        if answer.ok:
            tweet_id = int(answer.body.get("retweetId") or answer.body["tweetId"])
            self.ledger.posted(key, tweet_id)
            return tweet_id
        if 400 <= answer.status < 500:
            self.ledger.open_posts.pop(key)
        return None

    def resolve(self) -> int:
        """Repeat what was not answered, until it is; how much remains unknown."""
        for key, post in list(self.ledger.open_posts.items()):
            answer = self._persistently(
                "POST", post.path, account=post.account, body=post.body, key=key
            )
            self._outcome(key, answer)
        for account, followee_id in list(self.ledger.open_follows):
            path = f"/users/{followee_id}/follow"
            if self._persistently("POST", path, account=account).ok:
                self.ledger.followed(account, followee_id)
        return len(self.ledger.open_posts) + len(self.ledger.open_follows)


def _returning(act: Callable[[Any], None]) -> Callable[[Any], Unprepared | None]:
    """`act`, but with its refusal as the result; gevent would print a raised one as a fault."""

    def acted(item: Any) -> Unprepared | None:
        try:
            act(item)
        except Unprepared as error:
            return error
        return None

    return acted
