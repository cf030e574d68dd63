"""Characters that show nothing, and those that only steer how others are shown.

By the properties of the Unicode Character Database, of the version that `regex` carries (it is
released with each new one): nothing here is a list of code points, but for the few that their
properties call symbols or letters although they are blank. Sources: UAX #44 (properties), UAX #9
(bidirectional text), UTR #36 (what to make of both in names).
"""

import json

import regex

MAX_MARKS = 6
"""Marks over one letter of a label. Biblical Hebrew needs 5; what has more covers other lines."""

# Braille's blank, the object replacement, a note without head, and two blanks of hieroglyphs.
_BLANKS = r"\u2800\ufffc\U0001d159\U00013441\U00013442"
_VISIBLE_CLASS = (
    rf"[\p{{Any}}--[\p{{M}}\p{{C}}\p{{Z}}\p{{White_Space}}"
    rf"\p{{Default_Ignorable_Code_Point}}{_BLANKS}]]"
)
_VISIBLE = regex.compile(_VISIBLE_CLASS, regex.V1)

# Within a word of a script that has use for them, joiners choose the shape of letters; Latin and
# its like have none.
_LETTER = (
    r"[[[\p{L}\p{M}]--[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{Script=Inherited}"
    r"\p{Default_Ignorable_Code_Point}]]||[\p{M}&&\p{Script_Extensions=Arabic}]]"
)
_JOINING = r"[\p{Joining_Type=Dual_Joining}\p{Joining_Type=Right_Joining}]"
_EMOJI = r"[\p{Emoji_Presentation}\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f]"
_TAG = r"[\U000e0030-\U000e0039\U000e0061-\U000e007a]"  # digits and small letters

# Where a character that shows nothing has its place.
_PLACED = (
    rf"(?<=\p{{Canonical_Combining_Class=Virama}})[\u200c\u200d]"
    rf"|(?<={_LETTER})[\u200c\u200d](?={_LETTER})"
    rf"|(?<={_JOINING})\u200d"  # the shape it has inside a word, as in abbreviations
    rf"|(?<={_EMOJI})\u200d(?=\p{{Extended_Pictographic}})"
    rf"|(?<=[0-9#*])\ufe0f(?=\u20e3)"  # a keycap
    rf"|(?<=[{_VISIBLE_CLASS}--[\p{{ASCII}}\p{{Script=Latin}}]])\p{{Variation_Selector}}"
    rf"|(?<=\p{{Script=Mongolian}})\u180e"
    rf"|(?<=\U0001f3f4{_TAG}*){_TAG}(?={_TAG}*\U000e007f)"  # a flag of England, Scotland, Wales
    rf"|(?<=\U0001f3f4{_TAG}+)\U000e007f"
    rf"|(?<=[\u2801-\u28ff])\u2800(?=[\u2801-\u28ff])"
)
_MISPLACED = regex.compile(
    rf"(?:{_PLACED})(*SKIP)(*FAIL)"
    rf"|[\p{{Default_Ignorable_Code_Point}}\p{{Bidi_Control}}\ufff9-\ufffb{_BLANKS}]",
    regex.V1,
)
# What may stand in a line of output as it is: not controls, whatever else they control.
_UNSHOWN = regex.compile(
    rf"(?:{_PLACED})(*SKIP)(*FAIL)"
    rf"|[[\p{{Default_Ignorable_Code_Point}}\p{{Bidi_Control}}\p{{C}}\p{{Zl}}\p{{Zp}}]--[\n]]"
    rf"|(?<=[\p{{Mn}}\p{{Me}}]{{{MAX_MARKS}}})[\p{{Mn}}\p{{Me}}]",
    regex.V1,
)
_MARKS = regex.compile(rf"[\p{{Mn}}\p{{Me}}]{{{MAX_MARKS + 1}}}", regex.V1)

_BIDI = regex.compile(r"[\u202a-\u202e\u2066-\u2069]")
_EMBEDDINGS, _OVERRIDES, _ISOLATES = "\u202a\u202b", "\u202d\u202e", "\u2066\u2067\u2068"
_POP, _POP_ISOLATE = "\u202c", "\u2069"
_PARAGRAPH_ENDS = "\n\u2029"


def is_visible(text: str) -> bool:
    """Whether some of it can be seen: anything but space, controls, fillers and bare marks.

    A character that Unicode has not assigned, or left to private use, is not known to.
    """
    return _VISIBLE.search(text) is not None


def misplaced(text: str) -> int | None:
    """Where the first character of a label is that shows nothing, or turns the text's direction.

    Not those that have their place: the joiners of Arabic and Indic words, and what emoji are
    put together with. Without the others two names that look the same are the same.
    """
    found = _MISPLACED.search(text)
    return None if found is None else found.start()


def too_many_marks(text: str) -> bool:
    """Whether more than `MAX_MARKS` marks stand over one letter."""
    return _MARKS.search(text) is not None


def escaped(text: str, *, as_json: bool = False) -> str:
    """The text for one who reads it on a terminal: nothing in it acts, all of it shows.

    Tabs become spaces, line breaks stay; whatever else shows nothing, moves or turns something is
    written as Python does (``\\x1b``), or as in JSON: there it says the same as before.
    """
    if text.isprintable() and text.isascii():
        return text
    if not as_json:
        text = text.expandtabs(4)
    return _UNSHOWN.sub(lambda found: _escape(found[0], as_json), text)


def _escape(character: str, as_json: bool) -> str:
    if as_json:
        return json.dumps(character)[1:-1] if character != "\x7f" else "\\u007f"
    if character.isascii():
        return f"\\x{ord(character):02x}"
    return character.encode("ascii", "backslashreplace").decode()


def neutralised(text: str) -> str:
    """The text without what would turn the direction of more than a part of its own line.

    Embeddings and isolates stay where they are closed in the same paragraph (UAX #9, 3.3.2), as
    any that are left open would go on in what is shown behind the text. Overrides go: no script
    is written with them, and they show words backwards. Marks of direction stay, as they act on
    their neighbours only.
    """
    if _BIDI.search(text) is None:
        return text
    dropped: set[int] = set()
    open_: list[tuple[str, int]] = []
    for at, character in enumerate(text):
        if character in _PARAGRAPH_ENDS:
            dropped.update(start for _, start in open_)
            open_.clear()
        elif character in _EMBEDDINGS or character in _ISOLATES:
            open_.append((character, at))
        elif character in _OVERRIDES:
            dropped.add(at)
            open_.append((character, at))
        elif character == _POP:
            if open_ and open_[-1][0] not in _ISOLATES:
                begun, _ = open_.pop()
                if begun in _OVERRIDES:
                    dropped.add(at)
            else:
                dropped.add(at)
        elif character == _POP_ISOLATE and not _close_isolate(open_):
            dropped.add(at)
    dropped.update(start for _, start in open_)
    return "".join(character for at, character in enumerate(text) if at not in dropped)


def _close_isolate(open_: list[tuple[str, int]]) -> bool:
    """Close the innermost isolate, and with it what was begun inside; False if there is none."""
    for depth in range(len(open_) - 1, -1, -1):
        if open_[depth][0] in _ISOLATES:
            del open_[depth:]
            return True
    return False
