"""Whether the server lives and is ready, and the document and page that describe it."""

from typing import Literal

import msgspec

from rookery import __version__
from rookery.http.declaring.endpoint import Auth, Call, Endpoint, Reply, endpoint
from rookery.http.native.documentation import ASSETS, PAGE, PAGE_HEADERS, PAGE_TYPE, asset
from rookery.http.native.schemas import Answer, Nothing, Parameters
from rookery.http.native.services import Services
from rookery.services.limits import Rate


class Health(Answer, frozen=True, kw_only=True):
    """The process answers."""

    status: Literal["ok"]
    version: str


class Readiness(Answer, frozen=True, kw_only=True):
    """Whether each part that is needed answers."""

    status: Literal["ready", "not_ready"]
    checks: dict[str, bool]


class ApiInfo(Answer, frozen=True, kw_only=True):
    """What the document is about."""

    title: str
    version: str
    description: str


class ApiDocument(Answer, frozen=True, kw_only=True):
    """This document; the OpenAPI specification describes what else it holds."""

    openapi: str
    info: ApiInfo


class AssetPath(Parameters, frozen=True, kw_only=True):
    """A path with the name of a file of the page."""

    name: str


@endpoint(
    "GET",
    "/health",
    "Whether the process answers",
    answers={200: Health},
    auth=Auth.NONE,
    rate=Rate.FREE,
)
async def health(services: Services, call: Call[Nothing, Nothing, Nothing]) -> Health:
    return Health(status="ok", version=__version__)


@endpoint(
    "GET",
    "/ready",
    "Whether everything answers that serving needs",
    answers={200: Readiness, 503: Readiness},
    auth=Auth.NONE,
    rate=Rate.FREE,
)
async def ready(services: Services, call: Call[Nothing, Nothing, Nothing]) -> Reply:
    checks = dict(await services.ready())
    fine = all(checks.values())
    answer = Readiness(status="ready" if fine else "not_ready", checks=checks)
    headers = {} if fine else {"Retry-After": "1"}
    return Reply(msgspec.json.encode(answer), status=200 if fine else 503, headers=headers)


@endpoint(
    "GET",
    "/docs",
    "This API as an interactive page",
    answers={200: None},
    auth=Auth.NONE,
    media_type="text/html",
)
async def docs(services: Services, call: Call[Nothing, Nothing, Nothing]) -> Reply:
    return Reply(PAGE, media_type=PAGE_TYPE, headers=PAGE_HEADERS)


@endpoint(
    "GET", "/docs/{name}", "A file of the page", answers={200: None}, auth=Auth.NONE, hidden=True
)
async def docs_asset(services: Services, call: Call[AssetPath, Nothing, Nothing]) -> Reply:
    return asset(call.path.name)


def document_endpoint(raw: bytes) -> Endpoint:
    """The endpoint that answers the OpenAPI document `raw`."""

    @endpoint(
        "GET",
        "/openapi.json",
        "This API as an OpenAPI document",
        answers={200: ApiDocument},
        auth=Auth.NONE,
    )
    async def document(services: Services, call: Call[Nothing, Nothing, Nothing]) -> bytes:
        return raw

    return document


ROUTES = (health, ready, docs, docs_asset)
__all__ = ["ASSETS", "ROUTES", "document_endpoint"]
