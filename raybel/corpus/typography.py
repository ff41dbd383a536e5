"""Typography folded: texts that differ in nothing but how their characters are written become the same.

Text of PubMed writes `IFN-γ`, `Sjögren’s` or `Ca²⁺` with the characters of print, vocabularies mostly in ASCII. Both
sides are folded for searching; what is written and shown stays as it was.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

import regex
from anyascii import anyascii

from raybel.errors import MismatchError

#: The version of this folding; models and lookups made with another one are refused.
FOLDING = 3

_QUOTES = regex.compile(r"[\p{Quotation_Mark}`´ʹʺʼʽ′″‴‵‶‷⁗]")
_WITHOUT_MEANING = frozenset("™®©℠")
_REPLACED = {"⁄": "/", "∕": "/", "×": "x", "ƒ": "f"}
_INVISIBLE = regex.compile(r"\p{Default_Ignorable_Code_Point}")
_DASH = regex.compile(r"[\p{Dash}⁃]")
# Accents; marks on other signs and scripts make other words of them (`≠`, `ガ`).
_ACCENTS = regex.compile(
    r"([\p{Script=Latin}\p{Script=Greek}\p{Nd}])[[\p{Mn}\p{Me}]&&\p{Script=Inherited}]+", regex.VERSION1
)
_LATIN = regex.compile(r"\p{Script=Latin}")
_GREEK = regex.compile(r"\p{Script=Greek}")

# Around the name of a Greek letter, for the second step.
_OPEN, _CLOSE = "\x01", "\x02"
_SHORT_NAMES = "eta|mu|nu|xi|pi|rho|tau|phi|chi|psi"
_LONG_NAMES = "alpha|beta|gamma|delta|epsilon|zeta|theta|iota|kappa|lambda|omicron|sigma|upsilon|omega"
# A letter's name stands alone ("17beta", "TNF-Alpha"), or is set off from capitals by its case ("PPARgamma", "kappaB",
# but not "Biota").
_SPELLED = re.compile(
    rf"(?<![^\W\d_])(?i:lamda|{_LONG_NAMES}|{_SHORT_NAMES})(?![^\W\d_])"
    rf"|(?<=[A-Z])(?!iota)(?:{_LONG_NAMES})(?![a-z])"
    rf"|(?<![^\W\d_])(?:{_LONG_NAMES})(?=[A-Z])"
)
# Pieces of which each name has one: most texts have none, and are spared the search above, which takes 4 µs.
_PIECES = (
    *("alpha", "eta", "amma", "elta", "silon", "iota", "kappa", "lam", "omicron", "sigma", "omega"),
    *("mu", "nu", "xi", "pi", "rho", "tau", "phi", "chi", "psi"),
)
_BETWEEN = re.compile(f"{_CLOSE}[ -]?{_OPEN}")
_BEFORE = re.compile(rf"(?<=[^\W_])[ -]?{_OPEN}")
_AFTER = re.compile(rf"{_CLOSE}[ -]?(?=[^\W_])")
_QUOTE_RUN = re.compile("''+")
_ASCII = str.maketrans({'"': "'", "`": "'", _OPEN: " ", _CLOSE: " "})


def fold(text: str) -> str:
    """Return a text with its typography folded; case and white space stay.

    Folded are compatibility forms (NFKC: full width, super- and subscripts, ligatures), invisible characters (soft
    hyphens, zero-width spaces: out), dashes and minus signs (`-`), quotes and primes (`'`; several become one), accents
    and Latin letters beyond ASCII (`ø` is `o`), trade mark signs (out). Greek letters are spelled, and one space sets a
    Greek letter, as a character or as a word, off from letters and digits beside it: `17β-estradiol`,
    `17beta-estradiol` and `17 beta-estradiol` are the same, so are `PPARγ`, `PPARgamma` and `PPAR-gamma`.

    Folding a folded text changes nothing. Tables: Unicode's own (`unicodedata`, `regex`) and `anyascii`.
    """
    if text.isascii():
        plain = text.translate(_ASCII)
    else:
        written = "".join(map(_before_decomposition, text))
        bare = _ACCENTS.sub(r"\1", unicodedata.normalize("NFKD", written))
        plain = "".join(map(_after_decomposition, bare))
        plain = unicodedata.normalize("NFC", plain)
    if "''" in plain:
        plain = _QUOTE_RUN.sub("'", plain)
    lower = plain.lower()
    marked = _SPELLED.sub(_marked, plain) if any(piece in lower for piece in _PIECES) else plain
    if _OPEN not in marked:
        return marked
    joined = _AFTER.sub(" ", _BEFORE.sub(" ", _BETWEEN.sub(" ", marked)))
    return joined.replace(_OPEN, "").replace(_CLOSE, "")


def check_folding(where: str, version: int | None) -> None:
    """Refuse a model or lookup whose surfaces were folded in another way than they are now.

    Args:
        where: Its directory, for the message.
        version: The version of the folding that it was made with; None for before there were versions.

    Raises:
        MismatchError: It isn't `FOLDING`.
    """
    if version != FOLDING:
        raise MismatchError(
            f"{where} was made with version {version or 1} of the folding of names (Greek letters, dashes, accents), "
            f"this raybel has version {FOLDING}: make it again with the same command"
        )


def _marked(match: re.Match[str]) -> str:
    name = match.group()
    return f"{_OPEN}{'lambda' if name.lower() == 'lamda' else name}{_CLOSE}"


@cache
def _before_decomposition(character: str) -> str:
    """Return a character for what would lose its sense when it is decomposed (`´` to a space with an accent)."""
    if character.isascii():
        return character.translate(_ASCII)
    if character in _WITHOUT_MEANING:
        return ""
    return "'" if _QUOTES.match(character) else _REPLACED.get(character, character)


@cache
def _after_decomposition(character: str) -> str:
    if character.isascii():
        return character.translate(_ASCII)
    if _INVISIBLE.match(character):
        return ""
    if _DASH.match(character):
        return "-"
    if _QUOTES.match(character):
        return "'"
    if character in _REPLACED:
        return _REPLACED[character]
    if _LATIN.match(character):
        return anyascii(character)
    return _spelled(character) if _GREEK.match(character) else character


def _spelled(letter: str) -> str:
    """Return a Greek letter's name in Unicode between marks: `GREEK SMALL LETTER FINAL SIGMA` is sigma."""
    words = unicodedata.name(letter, "").split()
    if "LETTER" not in words:
        return letter
    name = words[words.index("LETTER") + 1 :]
    word = next((word for word in name if word != "FINAL"), "").lower()
    word = "lambda" if word == "lamda" else word
    return f"{_OPEN}{word.capitalize() if 'CAPITAL' in words else word}{_CLOSE}"
