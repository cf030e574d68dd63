"""The devices a user is logged in with."""

import re

from rookery.errors import InvalidCursor, NotFound
from rookery.http.declaring.endpoint import Call, endpoint
from rookery.http.native.schemas import (
    LATER,
    Answer,
    DeviceIdText,
    Message,
    Nothing,
    PageQuery,
    Parameters,
)
from rookery.http.native.services import Services
from rookery.views import iso_time

_CURSOR = re.compile(r"([1-9][0-9]{0,15})-([A-Za-z0-9_-]{1,47})")


class DevicePath(Parameters, frozen=True, kw_only=True):
    """A path with a device's id."""

    device_id: DeviceIdText


class DeviceView(Answer, frozen=True, kw_only=True):
    """A device; `connected` while it holds a stream, `current` if it makes this request.

    `name` is what the device called itself, or else what its program said it was. `lastSeenAt`
    and `lastAddress` are of its last log-in or renewal of tokens; a device in use renews them
    each time its access token has expired. It is logged out at `expiresAt` if it is not used.
    """

    device_id: str
    name: str
    created_at: str
    last_seen_at: str
    last_address: str
    expires_at: str
    connected: bool
    current: bool


class DeviceList(Answer, frozen=True, kw_only=True):
    """Devices, the one seen last first, and where the next page begins (null: this was it)."""

    devices: list[DeviceView]
    next_cursor: str | None


@endpoint("GET", "/devices", "One's own devices", answers={200: DeviceList})
async def listing(services: Services, call: Call[Nothing, PageQuery, Nothing]) -> DeviceList:
    identity, cursor = call.identity, call.query.cursor_text
    after = None if cursor is None else _place_of(cursor)
    devices, place = await services.accounts.devices_page(identity, after, call.query.limit)
    connected = await services.connected(identity.user_id)
    return DeviceList(
        devices=[
            DeviceView(
                device_id=device.device_id,
                name=device.name,
                created_at=iso_time(device.created_ms),
                last_seen_at=iso_time(device.last_seen_ms),
                last_address=device.address,
                expires_at=iso_time(device.expires_ms),
                connected=device.device_id in connected,
                current=device.device_id == identity.device_id,
            )
            for device in devices
        ],
        next_cursor=None if place is None else f"{place[0]}-{place[1]}",
    )


def _place_of(cursor: str) -> tuple[int, str]:
    """The place in the list that a cursor names.

    Raises:
        InvalidCursor: it names none.
    """
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise InvalidCursor()
    return int(match[1]), match[2]


@endpoint(
    "DELETE",
    "/devices/{deviceId}",
    "Log one of one's devices out",
    answers={200: Message},
    errors=(NotFound,),
)
async def revoke(services: Services, call: Call[DevicePath, Nothing, Nothing]) -> Message:
    told = await services.accounts.revoke(call.identity, call.path.device_id, call.origin)
    return Message(message="Device logged out" + ("" if told else LATER))


@endpoint("DELETE", "/devices", "Log all of one's other devices out", answers={200: Message})
async def revoke_others(services: Services, call: Call[Nothing, Nothing, Nothing]) -> Message:
    _, told = await services.accounts.revoke_all(
        call.identity, except_current=True, origin=call.origin
    )
    return Message(message="Other devices logged out" + ("" if told else LATER))


ROUTES = (listing, revoke, revoke_others)
