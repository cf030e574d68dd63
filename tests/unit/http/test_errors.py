"""Errors as JSON bodies, and what the document says of them."""

import json

import pytest

from rookery import errors
from rookery.errors import InvalidRequest, Overloaded, RookeryError
from rookery.http.app import ENDPOINTS
from rookery.http.endpoint import Auth
from rookery.http.errors import INTERNAL_TEXT, error_body
from rookery.http.openapi import document, errors_of


def test_body_has_text_code_and_field() -> None:
    """A field at fault is named."""
    body = json.loads(error_body(InvalidRequest("limit is wrong", "limit")))
    assert body == {"error": "limit is wrong", "code": "invalid_request", "field": "limit"}


def test_body_without_a_field_leaves_it_out() -> None:
    """No field at fault, no `field`."""
    assert set(json.loads(error_body(Overloaded()))) == {"error", "code"}


def test_body_of_our_fault_tells_nothing() -> None:
    """The text of an internal error is not the client's business."""
    body = json.loads(error_body(RookeryError("password of the store is x")))
    assert body == {"error": INTERNAL_TEXT, "code": "internal"}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.operation_id)
def test_documented_errors_follow_the_declaration(endpoint: object) -> None:
    """Whoever takes a token may refuse it; every documented error has a status of its own."""
    declared = next(found for found in ENDPOINTS if found is endpoint)
    documented = errors_of(declared)
    assert (errors.Unauthenticated in documented) == (declared.auth is not Auth.NONE)
    assert all(400 <= error.status < 600 for error in documented)


def test_documented_error_responses_have_codes_and_shape() -> None:
    """Each error response of the document lists its codes and has the one error shape."""
    responses = document(ENDPOINTS)["paths"]["/api/v1/tweets"]["post"]["responses"]
    assert set(responses) == {"201", "400", "401", "404", "413", "415", "422", "429", "503"}
    assert "`idempotency_mismatch`" in responses["422"]["description"]
    for status in ("400", "503"):
        schema = responses[status]["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/ErrorBody"}
