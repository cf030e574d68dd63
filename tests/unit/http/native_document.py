"""The OpenAPI document of the native surface, made once for all tests of it."""

from typing import Any

from rookery.http.declaring.openapi import document
from rookery.http.native.app import NATIVE

WHOLE = document(NATIVE)
COMPONENTS: dict[str, Any] = WHOLE["components"]["schemas"]
