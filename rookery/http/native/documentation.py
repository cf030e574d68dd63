"""The interactive page over the OpenAPI document: Swagger UI, whose files stand in `swagger_ui/`.

Everything is served by ourselves under a strict Content-Security-Policy; nothing is fetched from
elsewhere. ``make swagger-ui`` renews the files.
"""

import functools
from pathlib import Path

from rookery.errors import NotFound
from rookery.http.declaring.endpoint import Reply
from rookery.http.native.schemas import PREFIX

FILES = Path(__file__).parent / "swagger_ui"

PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Rookery API</title>
<link rel="stylesheet" href="{PREFIX}/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="{PREFIX}/docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="{PREFIX}/docs/swagger-ui-bundle.js"></script>
<script src="{PREFIX}/docs/start.js"></script>
</body>
</html>
""".encode()

_START = f"""SwaggerUIBundle({{
  url: "{PREFIX}/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
}});
""".encode()

PAGE_TYPE = "text/html; charset=utf-8"
"""Without it a client may take the text for another encoding (RFC 9110, section 8.3.2)."""

PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
}

ASSETS = {
    "start.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
}
"""What the page may ask for, and its type."""


@functools.cache
def asset(name: str) -> Reply:
    """A file of the page; raises NotFound for all others."""
    if name not in ASSETS:
        raise NotFound("Path not found")
    raw = _START if name == "start.js" else (FILES / name).read_bytes()
    return Reply(raw, media_type=ASSETS[name], headers={"Cache-Control": "max-age=3600"})
