"""Which surfaces a gateway serves: the only list of them."""

from rookery.http.application import Application
from rookery.http.declaring.surface import Surface
from rookery.http.native.app import NATIVE
from rookery.http.native.services import Services

SURFACES: tuple[Surface, ...] = (NATIVE,)
"""The first one answers what is for none."""


def application_of(services: Services, allowed_origins: str = "") -> Application:
    """The application that serves all of them over the same services.

    It holds nothing that needs closing: whoever made the services closes them.
    """
    return Application([(each, services) for each in SURFACES], allowed_origins)
