"""The rules for what people enter about themselves."""

from collections.abc import Callable

import pytest

from rookery.errors import InvalidRequest
from rookery.services import validation

LONGEST_URL = "https://example.org/" + "a" * 480


@pytest.mark.parametrize(
    ("rule", "value", "kept"),
    [
        (validation.username, "Ada_99", "Ada_99"),
        (validation.username, "a" * 15, "a" * 15),
        (validation.email, " Ada.L+x@mail.example.org ", "Ada.L+x@mail.example.org"),
        (validation.email, "a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
        (validation.password, "pass wort", "pass wort"),
        (validation.password, "пароль 密码 🔑🔑", "пароль 密码 🔑🔑"),
        (validation.password, "x" * 1024, "x" * 1024),
        (validation.name, "  Ada Lovelace ", "Ada Lovelace"),
        (validation.name, "e\u0301" * 50, "é" * 50),
        (validation.name, "👩‍💻", "👩‍💻"),
        (validation.bio, "one\r\ntwo\rthree", "one\ntwo\nthree"),
        (
            validation.name,
            "\u06a9\u062a\u0627\u0628\u200c\u0647\u0627",
            "\u06a9\u062a\u0627\u0628\u200c\u0647\u0627",
        ),
        (validation.bio, "\u202egnirts", "gnirts"),
        (validation.bio, "", ""),
        (validation.location, "London", "London"),
        (
            validation.website,
            "https://example.org/~ada?q=1#top",
            "https://example.org/~ada?q=1#top",
        ),
        (validation.website, "http://bücher.example", "http://bücher.example"),
        (validation.website, "http://[::1]:8080/", "http://[::1]:8080/"),
        (validation.website, "", ""),
        (
            validation.avatar_url,
            "https://example.org/" + "a" * 480,
            "https://example.org/" + "a" * 480,
        ),
        (validation.device_name, "", ""),
    ],
)
def test_accepted(rule: Callable[[str], str], value: str, kept: str) -> None:
    """What follows the rules is kept, in its normal form."""
    assert rule(value) == kept


@pytest.mark.parametrize(
    ("rule", "field", "value"),
    [
        (validation.username, "username", ""),
        (validation.username, "username", "a" * 16),
        (validation.username, "username", "ada lovelace"),
        (validation.username, "username", "ada\n"),
        (validation.username, "username", "аda"),  # noqa: RUF001 - Cyrillic on purpose
        (validation.username, "username", "ada²"),
        (validation.email, "email", "ada"),
        (validation.email, "email", "ada@localhost"),
        (validation.email, "email", "ada@@example.org"),
        (validation.email, "email", ".ada@example.org"),
        (validation.email, "email", "a..b@example.org"),
        (validation.email, "email", "ada@-example.org"),
        (validation.email, "email", "ada@example..org"),
        (validation.email, "email", "ada@192.0.2.1"),
        (validation.email, "email", "ada@example.org\n"),
        (validation.email, "email", "a" * 65 + "@example.org"),
        (validation.email, "email", "a@" + "a." * 126 + "org"),
        (validation.password, "password", "7 chars"),
        (validation.password, "password", "x" * 1025),
        (validation.password, "password", "pass\x00word"),
        (validation.password, "password", "pass\ud800word"),
        (validation.name, "name", ""),
        (validation.name, "name", "   "),
        (validation.name, "name", "\u200b\u200d"),
        (validation.name, "name", "x" * 51),
        (validation.name, "name", "two\nlines"),
        (validation.name, "name", "two\u2028lines"),
        (validation.name, "name", "\u3164"),
        (validation.name, "name", "\u2800"),
        (validation.name, "name", "\u034f"),
        (validation.name, "name", "\u0301"),
        (validation.name, "name", "\u202eadA"),
        (validation.name, "name", "Ada\u200f"),
        (validation.name, "name", "\u2067Ada\u2069"),
        (validation.name, "name", "A\u200bda"),
        (validation.name, "name", "Ada\u3164"),
        (validation.name, "name", "Z" + "\u0335" * 20),
        (validation.bio, "bio", "\u3164"),
        (validation.location, "location", "\u2800"),
        (validation.location, "location", "here\u202e"),
        (validation.website, "website", "https://example.org/\u202egpj.exe"),
        (validation.device_name, "deviceName", "\u034f"),
        (validation.device_name, "deviceName", "phone\u202e"),
        (validation.bio, "bio", "x" * 161),
        (validation.bio, "bio", "bell\x07"),
        (validation.location, "location", "x" * 31),
        (validation.website, "website", "example.org"),
        (validation.website, "website", "javascript:alert(1)"),
        (validation.website, "website", "https://"),
        (validation.website, "website", "https://example.org:99999/"),
        (validation.website, "website", "https://[::1/"),
        (validation.website, "website", "https://bank.example@evil.example/"),
        (validation.website, "website", 'https://example.org/"onload=x'),
        (validation.website, "website", "https://exa mple.org/"),
        (validation.website, "website", "https://example.org/" + "a" * 81),
        (validation.avatar_url, "avatarUrl", "ftp://example.org/a.png"),
        (validation.avatar_url, "avatarUrl", "https://example.org/" + "a" * 481),
        (validation.banner_url, "bannerUrl", "data:image/png;base64,AAAA"),
        (validation.device_name, "deviceName", "x" * 101),
        (validation.device_name, "deviceName", "a\x1b[2Jb"),
    ],
)
def test_refused(rule: Callable[[str], str], field: str, value: str) -> None:
    """What breaks a rule is refused, and the error names the field as requests do."""
    with pytest.raises(InvalidRequest) as caught:
        rule(value)
    assert caught.value.field == field
