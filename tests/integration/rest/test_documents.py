"""What is served beside JSON, and HEAD."""

import pytest

from tests.integration.http_world import World


async def test_head_answers_headers_of_get_without_a_body(world: World) -> None:
    """HEAD works wherever GET does, with the same length."""
    ada = await world.user("ada")
    url = f"{world.base}/users/{ada.user_id}"
    async with world.session.get(url) as got, world.session.head(url) as head:
        assert (head.status, await head.read()) == (200, b"")
        assert head.headers["Content-Length"] == got.headers["Content-Length"]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("docs", "text/html; charset=utf-8"),
        ("docs/start.js", "text/javascript; charset=utf-8"),
        ("docs/swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
        ("docs/swagger-ui.css", "text/css; charset=utf-8"),
        ("docs/favicon-32x32.png", "image/png"),
        ("openapi.json", "application/json"),
    ],
)
async def test_texts_say_how_they_are_encoded(world: World, path: str, kind: str) -> None:
    """A client may take them for another encoding else; JSON has but one."""
    async with world.session.get(f"{world.base}/{path}") as got:
        assert got.headers["Content-Type"] == kind


async def test_docs_page_is_served_whole_by_ourselves(world: World) -> None:
    """Every file that the page names is there, and its policy allows no other origin."""
    async with world.session.get(f"{world.base}/docs") as page:
        text = await page.text()
        policy = page.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "http" not in policy
    origin = world.base.removesuffix("/api/v1")
    names = [part.split('"')[0] for part in text.split('="/')[1:]]
    assert len(names) == 4
    for name in names:
        async with world.session.get(f"{origin}/{name}") as asset:
            assert asset.status == 200, name
            assert len(await asset.read()) > 100
