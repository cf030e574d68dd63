"""Names for devices that give none, from what their program says about itself.

Pure: no I/O. A small table, and no library: those read models and versions out of a thousand
expressions, which take milliseconds of the event loop and backtrack over a stranger's text. Here
the name only has to help people to tell their own few devices apart.
"""

import unicodedata

MAX_READ_CHARS = 512
MAX_NAME_CHARS = 100

_PROGRAMS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
    ("rookery-client/", "Rookery for Python"),
    ("curl/", "curl"),
    ("Wget/", "Wget"),
    ("okhttp/", "Android app"),
    ("Dart/", "Dart app"),
    ("aiohttp/", "Python"),
    ("python-requests/", "Python"),
    ("python-httpx/", "Python"),
    ("Python-urllib/", "Python"),
    ("Java-http-client/", "Java"),
    ("Go-http-client/", "Go"),
)
"""In this order: most browsers also claim to be those below them."""
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
)


def name_of(user_agent: str) -> str:
    """Such as "Firefox on Windows" for a ``User-Agent``; empty if it says nothing."""
    text = user_agent[:MAX_READ_CHARS]
    program = _first(_PROGRAMS, text) or _product(text)
    system = _first(_SYSTEMS, text)
    return f"{program} on {system}" if program and system else program or system


def _first(known: tuple[tuple[str, str], ...], text: str) -> str:
    return next((name for part, name in known if part in text), "")


def _product(text: str) -> str:
    """What comes before the version of the first product (RFC 9110, section 10.1.5)."""
    word = text.split("/", 1)[0].strip()
    if word == "Mozilla" or any(unicodedata.category(each)[0] == "C" for each in word):
        return ""
    return word[:MAX_NAME_CHARS]
