"""Trying a password: whose account it is for, where from, and whether it is right.

Takes the same time and the same reads whether the account exists or not.
"""

import unicodedata
from collections.abc import Callable
from typing import Protocol

from rookery.errors import Unavailable
from rookery.models import User
from rookery.security_log import Origin
from rookery.services import validation
from rookery.services.accounts.passwords import Passwords
from rookery.services.limits import Attempt
from rookery.store.engine import Reader
from rookery.store.records.devices import Devices
from rookery.store.records.login_sources import LoginSources, address_source, device_source
from rookery.store.records.users import Users

_NO_USER = 0
"""An id that nobody has: looked up where there is no user, so that both take the same time."""


class LoginAttempts(Protocol):
    """Counts attempts to log in; see `rookery.services.limits.Limits.login`."""

    async def login(self, account: str, source: str = "") -> Attempt | None: ...


class PasswordAttempts:
    """Looks accounts up by what a stranger types, and tries passwords on them."""

    def __init__(self, reader: Reader, passwords: Passwords, clock_ms: Callable[[], int]) -> None:
        self._passwords = passwords
        self._clock_ms = clock_ms
        self._users = Users(reader)
        self._devices = Devices(reader)
        self._sources = LoginSources(reader)

    async def find(self, name: str) -> User | None:
        """The user with this username or email. As many reads whether there is one or not."""
        if len(name) > validation.MAX_EMAIL_CHARS:
            name = ""
        if "@" in name:
            user_id = await self._users.id_of_email(name)
        else:
            user_id = await self._users.id_of_username(name)
        return await self._users.get(_NO_USER if user_id is None else user_id)

    async def known_source(self, user: User | None, device_id: str | None, origin: Origin) -> str:
        """From where the account is known to be logged in to, of what this attempt comes from.

        Empty for strangers. The device counts before the address: many may share an address.
        """
        user_id = _NO_USER if user is None else user.id
        sources = [] if device_id is None else [device_source(device_id)]
        if origin.key:
            sources.append(address_source(origin.key))
        now_ms = self._clock_ms()
        known = await self._sources.known(user_id, sources, now_ms) if sources else []
        if device_id is not None and sources[0] not in known:  # of before there were sources
            if await self._devices.get(user_id, device_id, now_ms) is not None:
                return sources[0]
        return known[0] if known else ""

    async def matches(
        self,
        user: User | None,
        name: str,
        password: str,
        source: str,
        origin: Origin,
        attempts: LoginAttempts | None,
    ) -> bool:
        """Whether the password is the user's; counted, before it is known, for the account.

        `name` is whose it would be without a user.
        """
        account = f"name {name}" if user is None else f"user {user.id}"
        attempt = None if attempts is None else await attempts.login(account, source)
        password_hash = None if user is None else user.password_hash
        try:
            return await self._passwords.verify(
                password_hash, password, origin.key, is_known=bool(source)
            )
        except Unavailable:
            if attempt is not None:
                attempt.take_back()
            raise


def canonical(identifier: str) -> str:
    """A username or email as it is looked up: one form of all ways to write it.

    Compatibility forms (NFKC of Unicode, such as full-width letters) and case do not tell names
    apart, nor does space around them. So attempts at one account are one budget.
    """
    if len(identifier) > validation.MAX_EMAIL_CHARS:
        identifier = identifier[: validation.MAX_EMAIL_CHARS + 1]
    return unicodedata.normalize("NFKC", identifier).strip().casefold()
