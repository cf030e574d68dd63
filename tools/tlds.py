"""Renews the top-level domains in `rookery/text/tlds.py` (``make tlds``).

They are taken from the Public Suffix List (https://publicsuffix.org, MPL 2.0), whose ICANN section
holds every domain of the root zone and is updated from IANA's by a machine each day. The package
`publicsuffixlist` carries it and is released with every change, so nothing is fetched but that.
"""

import re
import textwrap
from importlib.metadata import version
from pathlib import Path

import publicsuffixlist

TABLE = Path(__file__).parents[1] / "rookery/text/tlds.py"
_PACKAGE = Path(publicsuffixlist.__file__).parent


def listed() -> tuple[list[str], list[str]]:
    """The top-level domains in ASCII, and those that are not in punycode, each in order."""
    whole = (_PACKAGE / "public_suffix_list.dat").read_text(encoding="utf-8")
    section = whole.partition("===BEGIN ICANN DOMAINS===")[2].partition("===END ICANN DOMAINS===")
    if not section[1]:
        raise ValueError("the Public Suffix List has no ICANN section any more")
    rules = [line.split()[0] for line in section[0].splitlines() if line and line[:2] != "//"]
    labels = {rule.rpartition(".")[2].lower() for rule in rules}
    return (
        sorted(label for label in labels if label.isascii()),
        sorted(
            "xn--" + label.encode("punycode").decode() for label in labels if not label.isascii()
        ),
    )


def renewed(source: str) -> str:
    """The module's text with the lists, and where they are from, as they are now."""
    for name, words in zip(("_ASCII", "_PUNYCODE"), listed(), strict=True):
        block = textwrap.fill(
            " ".join(words),
            99,
            initial_indent="    ",
            subsequent_indent="    ",
            break_on_hyphens=False,
            break_long_words=False,
        )
        source = _replaced(rf'^{name} = """\n.*?^"""', f'{name} = """\n{block}\n"""', source)
    edition = f'EDITION = "{version("publicsuffixlist").rpartition(".")[2]}"'
    return _replaced('^EDITION = "[^"]*"', edition, source)


def _replaced(pattern: str, text: str, source: str) -> str:
    source, count = re.subn(
        pattern, lambda _: text, source, count=1, flags=re.MULTILINE | re.DOTALL
    )
    if count != 1:
        raise ValueError(f"{TABLE} has no place for {text[:20]!r}")
    return source


if __name__ == "__main__":
    TABLE.write_text(renewed(TABLE.read_text(encoding="utf-8")), encoding="utf-8")
