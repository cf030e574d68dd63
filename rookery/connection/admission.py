"""Who may open a stream, and whose streams end because what opened them has ended."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from rookery.connection.hub import Hub
from rookery.errors import DeviceRevoked, RookeryError
from rookery.messages import Invalidation
from rookery.models import Identity
from rookery.services.accounts.authentication import Authenticator
from rookery.services.accounts.stream_tickets import StreamTickets
from rookery.services.accounts.tokens import KeyRing
from rookery.store.engine import Reader
from rookery.store.records.devices import Devices

log = structlog.get_logger(__name__)

RECHECK_BATCH = 500


class Admission:
    """Opens streams by token or ticket, and closes those whose sign-in or key has ended.

    What ends while its stream is being opened is not among the streams that are closed then. So
    endings are counted, and whoever is being let in looks again if one came meanwhile.
    """

    def __init__(
        self,
        hub: Hub,
        keys: KeyRing,
        authenticator: Authenticator,
        tickets: StreamTickets,
        reader: Reader,
        clock_ms: Callable[[], int],
        *,
        recheck_s: float,
    ) -> None:
        """`recheck_s`: after so long devices are looked at whose end nobody told of."""
        self._hub = hub
        self._keys = keys
        self._authenticator = authenticator
        self._tickets = tickets
        self._devices = Devices(reader)
        self._clock_ms = clock_ms
        self._recheck_s = recheck_s
        self._recheck_now = asyncio.Event()
        self._endings = 0  # of sign-ins, as far as told, and of the keys that they stand on
        keys.on_revoked(self._keys_revoked)

    async def by_token(self, token: str) -> tuple[Identity, int]:
        """Who an access token speaks for, and when it ends (ms since 1970).

        Raises:
            Unauthenticated: it is not good, or not any more.
            Unavailable: the store does not answer.
        """
        endings = self._endings
        identity = await self._still_in(endings, await self._authenticator.identify(token))
        return identity, self._keys.verify(token, self._clock_ms()).expires_ms

    async def by_ticket(self, ticket: str) -> tuple[Identity, int]:
        """The same for a ticket, which works once; see `StreamTickets.redeem`."""
        endings = self._endings
        identity, until_ms = await self._tickets.redeem(ticket)
        await self._still_in(endings, identity)
        if endings != self._endings:  # its key may have been revoked meanwhile
            self._tickets.verify(ticket)
        return identity, until_ms

    async def _still_in(self, endings: int, identity: Identity) -> Identity:
        """`identity`, unless its sign-in ended since there were so many `endings`.

        Raises:
            DeviceRevoked: it has.
        """
        sign_in = (identity.user_id, identity.device_id, identity.session)
        while endings != self._endings:
            endings = self._endings
            if await self._devices.ended([sign_in], self._clock_ms()):
                raise DeviceRevoked()
        return identity

    def end(self, change: Invalidation) -> None:
        """Close the streams of devices and sign-ins that `change` ends."""
        self._endings += bool(change.devices or change.sign_ins)
        self._hub.close_devices(change.devices)
        self._hub.close_sign_ins(change.sign_ins)

    def look_again(self) -> None:
        """Endings may have been missed: look at all devices now."""
        self._recheck_now.set()

    def _keys_revoked(self) -> None:
        """End the streams: whatever opened them was signed by a key that is revoked.

        What is being opened looks at its key again, because that counts as an ending.
        """
        self._endings += 1
        self._hub.close_all(4402, "the token was ended; refresh it and reconnect")

    async def recheck(self) -> None:
        """Close sessions whose end was not told, because a process died meanwhile; for ever."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._recheck_s):
                    await self._recheck_now.wait()
            self._recheck_now.clear()
            try:
                users = self._hub.users()
                for first in range(0, len(users), RECHECK_BATCH):
                    batch = self._hub.sign_ins(users[first : first + RECHECK_BATCH])
                    self._hub.close_sign_ins(await self._devices.ended(batch, self._clock_ms()))
            except RookeryError as error:
                log.warning("devices not looked at", error=str(error))
