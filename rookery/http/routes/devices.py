"""The devices a user is logged in with."""

from rookery.errors import NotFound
from rookery.http.endpoint import Call, endpoint
from rookery.http.schemas import Answer, DeviceIdText, Message, Nothing, Parameters
from rookery.http.services import Services
from rookery.views import iso_time


class DevicePath(Parameters, frozen=True, kw_only=True):
    """A path with a device's id."""

    device_id: DeviceIdText


class DeviceView(Answer, frozen=True, kw_only=True):
    """A device; `connected` while it holds a stream, `current` if it makes this request."""

    device_id: str
    name: str
    created_at: str
    last_seen_at: str
    connected: bool
    current: bool


class DeviceList(Answer, frozen=True, kw_only=True):
    """All devices of the user."""

    devices: list[DeviceView]


@endpoint("GET", "/devices", "One's own devices", answers={200: DeviceList})
async def listing(services: Services, call: Call[Nothing, Nothing, Nothing]) -> DeviceList:
    identity = call.identity
    devices = await services.accounts.devices(identity)
    connected = await services.connected(identity.user_id)
    return DeviceList(
        devices=[
            DeviceView(
                device_id=device.device_id,
                name=device.name,
                created_at=iso_time(device.created_ms),
                last_seen_at=iso_time(device.last_seen_ms),
                connected=device.device_id in connected,
                current=device.device_id == identity.device_id,
            )
            for device in devices
        ]
    )


@endpoint(
    "DELETE",
    "/devices/{deviceId}",
    "Log one of one's devices out",
    answers={200: Message},
    errors=(NotFound,),
)
async def revoke(services: Services, call: Call[DevicePath, Nothing, Nothing]) -> Message:
    await services.accounts.revoke(call.identity, call.path.device_id)
    return Message(message="Device logged out")


@endpoint("DELETE", "/devices", "Log all of one's other devices out", answers={200: Message})
async def revoke_others(services: Services, call: Call[Nothing, Nothing, Nothing]) -> Message:
    await services.accounts.revoke_all(call.identity, except_current=True)
    return Message(message="Other devices logged out")


ROUTES = (listing, revoke, revoke_others)
