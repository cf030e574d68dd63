"""Tickets that open one stream each, for clients that can send no header.

A ticket stands in an address, which proxies and browsers write down: so it is good for seconds,
once, and for nothing but a stream. It is signed like an access token, and only its use is stored:
the insertion that fails the second time is the same for all processes and nodes.
"""

from collections.abc import Callable

from rookery.errors import DeviceRevoked, InvalidToken, TokenExpired
from rookery.models import Identity
from rookery.services.accounts.tokens import KeyRing, UnknownKey, VerifiedTicket
from rookery.store.engine import ConditionFailed, Store, WriteBatch
from rookery.store.records import used_tickets
from rookery.store.records.devices import Devices


class StreamTickets:
    """Issues and redeems tickets."""

    def __init__(self, keys: KeyRing, store: Store, clock_ms: Callable[[], int]) -> None:
        self._keys = keys
        self._devices = Devices(store.reader)
        self._writer = store.writer
        self._clock_ms = clock_ms

    def issue(self, identity: Identity, until_ms: int) -> str:
        """A ticket for `identity`, whose stream ends at `until_ms` with the access token.

        Raises:
            Unavailable: the signing keys were not loaded yet.
        """
        return self._keys.sign_ticket(identity, until_ms, self._clock_ms())

    async def redeem(self, ticket: str) -> tuple[Identity, int]:
        """Who `ticket` opens a stream for, and when that ends (ms since 1970). Works once.

        Raises:
            InvalidToken: it is malformed, was not signed here, or was used before.
            TokenExpired: its time is over.
            DeviceRevoked: its device was logged out, or has signed in anew.
            Unavailable: the store does not answer; whether it was used up is unknown.
        """
        verified = await self._verified(ticket)
        identity = verified.identity
        try:
            await self._writer.write(
                WriteBatch((used_tickets.use(verified.number, verified.expires_ms),))
            )
        except ConditionFailed as error:
            raise InvalidToken("The ticket was used before; ask for another") from error
        sign_in = (identity.user_id, identity.device_id, identity.session)
        if await self._devices.ended([sign_in], self._clock_ms()):
            raise DeviceRevoked()
        await self._verified(ticket)  # its key may have been revoked meanwhile
        return identity, verified.until_ms

    async def _verified(self, ticket: str) -> VerifiedTicket:
        try:
            return self.verify(ticket)
        except UnknownKey:
            await self._keys.reload_for(ticket)
            return self.verify(ticket)

    def verify(self, ticket: str) -> VerifiedTicket:
        """What a ticket says, by the keys that are known now; whether it was used is not seen.

        Raises:
            UnknownKey, InvalidToken: as of `KeyRing.verify`.
            TokenExpired: its time is over, or its key is not good any more.
        """
        try:
            return self._keys.verify_ticket(ticket, self._clock_ms())
        except TokenExpired as error:
            raise TokenExpired("The ticket has expired; ask for another") from error
