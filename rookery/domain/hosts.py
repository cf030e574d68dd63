"""What a ``Host`` field may say, on every port that speaks HTTP."""

import re
from functools import lru_cache

_HOST = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]{2,45}\]|\[[vV][0-9A-Fa-f]+\.[\w.~!$&'()*+,;=:-]+\]"  # IP-literal
    rb"|(?:[\w.~!$&'()*+;=-]|%[0-9A-Fa-f]{2})+)"  # IPv4address and reg-name
    rb"(?::(?P<port>[0-9]{0,5}))?",
    re.ASCII,
)


@lru_cache(maxsize=1024)
def is_host(value: bytes) -> bool:
    """Whether it is ``uri-host [ ":" port ]`` with a host (RFC 9110, section 7.2; RFC 3986, 3.2.2).

    A comma, which a registered name may have, is left out: it is what two fields are joined by.
    """
    found = _HOST.fullmatch(value)
    return found is not None and int(found["port"] or 0) <= 65535
