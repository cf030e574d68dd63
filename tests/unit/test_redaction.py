"""`rookery.redaction`: no password is shown, however its address is written."""

import pytest

from rookery.redaction import redacted, redacted_address, said_of

SECRET = "s3cr3t"

ADDRESSES = [
    f"mongodb://user:{SECRET}@host:27017/?replicaSet=rs0",
    f"mongodb://user:{SECRET}@one:1,two:2,three/rookery?replicaSet=rs0",
    f"mongodb+srv://user:{SECRET}@cluster.example.org/rookery",
    f"mongodb://user:p%40{SECRET}%2F@host",
    f"mongodb://user:a@b{SECRET}@host",
    f"mongodb://user:a/{SECRET}@host/db",
    f"mongodb://user:a?{SECRET}@host/db",
    f"mongodb://user:a?b=c&{SECRET}@host/db",
    f"mongodb://user:a#{SECRET}@host",
    f"mongodb://rookery:2024?{SECRET}@db:27017/?replicaSet=rs0",
    f"mongodb://rookery:2024?{SECRET}@db:27017/?w=1&tlsCertificateKeyFilePassword={SECRET}",
    f"redis://:123?{SECRET}@h:6379/0?x=y",
    f"mongodb://rookery:2024?a={SECRET}@db:27017/?replicaSet=rs0",
    f"mongodb://host/?password=a@{SECRET}:b&w=1",
    f"redis://:123?{SECRET}@h:6379/0?password={SECRET}",
    f"mongodb://{SECRET}@host",
    f"redis://:{SECRET}",
    f"mongodb://user:{SECRET}' or\"\\ and\nso on@host",
    f"mongodb://host/?tlsCertificateKeyFilePassword={SECRET}",
    f"mongodb://host/?authMechanismProperties=AWS_SESSION_TOKEN:{SECRET}&w=1",
    f"mongodb://host/?w=1;TLSCERTIFICATEKEYFILEPASSWORD={SECRET};x=2",
    f"mongodb://host/?tlsCertificateKeyFile%50assword={SECRET}",
    f"mongodb://host/?tlsCertificateKeyFile%2550assword={SECRET}",
    f"redis://:{SECRET}@host:6379/0",
    f"rediss://user:{SECRET}@host",
    f"redis://host/0?password={SECRET}",
    f"redis://host/0?db=1&ssl_password={SECRET}&username={SECRET}",
    f"unix://user:{SECRET}@/run/redis.sock?db=0",
    f"unix:///run/redis.sock?password={SECRET}@x",
    f"UNIX:///run/redis.sock?PASSWORD={SECRET}",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_secret_is_shown(address: str) -> None:
    """Alone, in a sentence, and in what looks like a value of Python or JSON."""
    assert SECRET not in redacted_address(address)
    for text in (f"cannot reach {address}: refused", repr({"uri": address}), f'"{address}"'):
        assert SECRET not in redacted(text)


@pytest.mark.parametrize(
    "address",
    [
        "mongodb://127.0.0.1:27017/?replicaSet=rs0",
        "mongodb://one:1,two:2/rookery?authSource=admin&authMechanism=SCRAM-SHA-256",
        "mongodb://host/?appName=a@b",
        "redis://[::1]:6379/0?db=3",
        "unix:///run/redis.sock",
        "ws://{host}:{port}/stream",
        "mongodb://HOST:PORT/DATABASE",
        "data",
        "",
    ],
)
def test_what_is_no_secret_stays(address: str) -> None:
    """An operator needs it to see what is wrong."""
    assert redacted_address(address) == address


def test_where_it_leads_stays() -> None:
    """With all hosts."""
    address = f"mongodb://user:{SECRET}@one:1,two:2/rookery?replicaSet=rs0"
    assert redacted_address(address) == "mongodb://***@one:1,two:2/rookery?replicaSet=rs0"


def test_what_a_driver_says_of_a_password_is_not_told() -> None:
    """It quotes what it takes for a port."""
    error = ValueError(f"Port could not be cast to integer value as '{SECRET}'")
    assert SECRET not in said_of(f"redis://user:{SECRET}/x@host", error)
    assert "%2F" in said_of(f"redis://user:{SECRET}/x@host", error)
    assert said_of("redis://host:99999", ValueError("out of range")) == "out of range"
