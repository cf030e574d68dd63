"""Errors as JSON bodies, and what the document says of them."""

import json
import re
from pathlib import Path

import pytest

import rookery.text
from rookery import errors
from rookery.errors import InvalidRequest, Overloaded, RookeryError
from rookery.http.declaring.endpoint import Auth
from rookery.http.declaring.errors import INTERNAL_TEXT
from rookery.http.declaring.openapi import codes_of, errors_of
from rookery.http.native.app import ENDPOINTS, NATIVE
from rookery.text import PROBLEM_CODES
from tests.unit.http.native_document import WHOLE

declared = {endpoint.operation_id: endpoint for endpoint in ENDPOINTS}


def test_body_has_text_code_and_field() -> None:
    """A field at fault is named."""
    body = json.loads(NATIVE.errors.encoded(InvalidRequest("limit is wrong", "limit")))
    assert body == {"error": "limit is wrong", "code": "invalid_request", "field": "limit"}


def test_body_without_a_field_leaves_it_out() -> None:
    """No field at fault, no `field`."""
    assert set(json.loads(NATIVE.errors.encoded(Overloaded()))) == {"error", "code"}


def test_body_of_our_fault_tells_nothing() -> None:
    """The text of an internal error is not the client's business."""
    body = json.loads(NATIVE.errors.encoded(RookeryError("password of the store is x")))
    assert body == {"error": INTERNAL_TEXT, "code": "internal"}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.operation_id)
def test_documented_errors_follow_the_declaration(endpoint: object) -> None:
    """Whoever takes a token may refuse it; every documented error has a status of its own."""
    found = next(each for each in ENDPOINTS if each is endpoint)
    documented = errors_of(found)
    assert (errors.Unauthenticated in documented) == (found.auth is not Auth.NONE)
    assert all(400 <= error.status < 600 for error in documented)


def test_documented_error_responses_have_codes_and_shape() -> None:
    """Each error response of the document lists its codes and has the one error shape."""
    responses = WHOLE["paths"]["/api/v1/tweets"]["post"]["responses"]
    assert set(responses) == {
        "201", "400", "401", "403", "404", "413", "415", "422", "429", "500", "503"
    }  # fmt: skip
    assert "`idempotency_mismatch`" in responses["422"]["description"]
    for status, codes in codes_of(declared["tweets_create"]).items():
        schema = responses[str(status)]["content"]["application/json"]["schema"]
        whole, narrowed = schema["allOf"]
        assert whole == {"$ref": "#/components/schemas/ErrorBody"}
        assert narrowed["properties"]["code"]["enum"] == codes
        assert len(set(codes)) == len(codes)


def test_documented_codes_are_those_of_the_errors_each_once() -> None:
    """All ways in which a token is refused, a text is refused, and a part does not answer."""
    codes = codes_of(declared["tweets_create"])
    assert codes[400] == ["invalid_request", *PROBLEM_CODES]
    assert codes[401] == ["unauthenticated", "invalid_token", "token_expired", "device_revoked"]
    assert codes[500] == ["internal"]
    assert set(codes[503]) == {
        "unavailable", "actor_unavailable", "moved", "store_unavailable", "overloaded",
        "deadline_exceeded",
    }  # fmt: skip


def test_the_codes_of_texts_are_those_that_the_rules_give() -> None:
    """No problem of a text has a code that the document does not know."""
    used = {
        code
        for path in Path(rookery.text.__file__).parent.glob("*.py")
        for code in re.findall(r'TextProblem\(\s*"(text_[a-z_]+)"', path.read_text())
    }
    assert used == set(PROBLEM_CODES)
