"""Names of devices by their programs."""

import pytest

from rookery.services.accounts.user_agents import MAX_NAME_CHARS, name_of

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (WINDOWS + "Chrome/131.0.0.0 Safari/537.36", "Chrome on Windows"),
        (WINDOWS + "Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0", "Edge on Windows"),
        (MAC + "Version/17.6 Safari/605.1.15", "Safari on Mac"),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
            "Firefox on Linux",
        ),
        ("Mozilla/5.0 (Linux; Android 14) AppleWebKit Chrome/131 Mobile", "Chrome on Android"),
        ("rookery-client/1 (Linux) Python/3.11.7", "Rookery for Python on Linux"),
        ("Python/3.11 aiohttp/3.11.9", "Python"),
        ("curl/8.5.0", "curl"),
        ("MyApp/2.1 (whatever)", "MyApp"),
        ("Mozilla/5.0", ""),
        ("", ""),
        ("bad\x1b[31m/1", ""),
    ],
)
def test_programs_and_systems(user_agent: str, name: str) -> None:
    """What is known is named with its system; of others the product."""
    assert name_of(user_agent) == name


def test_a_name_is_bounded() -> None:
    """Whatever a client claims to be."""
    assert len(name_of("a" * 10_000)) == MAX_NAME_CHARS
