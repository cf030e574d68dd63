"""Users by name wherever by id."""

import pytest

from rookery.http.declaring.endpoint import Endpoint
from rookery.http.native.app import ENDPOINTS
from rookery.http.native.by_name import PLACES

DECLARED = {(endpoint.method, endpoint.path): endpoint for endpoint in ENDPOINTS}


@pytest.mark.parametrize(
    "endpoint",
    [each for each in ENDPOINTS if any(each.path.startswith(place) for place in PLACES)],
    ids=lambda each: each.operation_id,
)
def test_every_path_with_an_id_is_there_by_name(endpoint: Endpoint) -> None:
    """With the same query, body, answers, rate and need of a token."""
    (place,) = [place for place in PLACES if endpoint.path.startswith(place)]
    by_name = DECLARED[endpoint.method, endpoint.path.replace(place, PLACES[place])]
    for name in ("query_type", "body_type", "answers", "auth", "rate", "tag", "media_type"):
        assert getattr(by_name, name) == getattr(endpoint, name)
    assert set(endpoint.errors) <= set(by_name.errors)


def test_operation_ids_are_unique() -> None:
    """Also of what is derived."""
    ids = [endpoint.operation_id for endpoint in ENDPOINTS]
    assert len(set(ids)) == len(ids)
