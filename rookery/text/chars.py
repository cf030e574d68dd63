"""Bodies of regular expression classes that several of the extraction rules share.

Each is written to stand between square brackets. Source: twitter-text 3.1.0, where a set differs
between its editions the one named.
"""

#: White space as Unicode 4 had it (U+180E included), with the controls TAB to CR and NEL.
SPACES = r"\x09-\x0d\x20\x85\xa0\u1680\u180e\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"

#: Marks, embeddings and isolates that set the direction of the text around them.
DIRECTIONAL = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"

#: Code points no text may hold: the byte order mark, its mirror image, and U+FFFF.
INVALID = r"\ufffe\ufeff\uffff"

#: Latin letters with accents, the okina, and combining accents; not the signs for times and
#: division.
LATIN_ACCENTED = (
    r"\xc0-\xd6\xd8-\xf6\xf8-\u024f\u0253\u0254\u0256\u0257\u0259\u025b\u0263\u0268\u026f\u0272"
    r"\u0289\u028b\u02bb\u0300-\u036f\u1e00-\u1eff"
)

CYRILLIC = r"\u0400-\u04ff"

#: All of ASCII's punctuation (Java and Ruby; JavaScript leaves out two quotation marks).
ASCII_PUNCTUATION = r"!-/:-@\[-`{-~"

AT_SIGNS = r"@\uff20"

HASH_SIGNS = r"#\uff03"
