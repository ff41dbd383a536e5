"""Abbreviations expanded in mentions, as the document of the mention defines them."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from raybel.corpus.abbreviations import find_abbreviations, is_plural
from raybel.corpus.typography import fold

#: Characters of a mention, above which it is no name that short forms stand in; the search for them is quadratic.
MAX_MENTION = 1000


class DocumentAbbreviations:
    """The abbreviations of one document, each as its nearest definition before a place defines it.

    Args:
        definitions: (code-point offset in the document, short form, long form), by rising offset. What precedes a
            short form's first definition has the first one too.
    """

    def __init__(self, definitions: Sequence[tuple[int, str, str]]) -> None:
        current: dict[str, str] = {}
        for _, short, long in definitions:
            current.setdefault(short, long)
        self._starts = [0]
        self._states = [_with_singulars(current)]
        for offset, short, long in definitions:
            if _letters(current[short]) != _letters(long):  # defined again, as something else
                current = {**current, short: long}
                self._starts.append(offset)
                self._states.append(_with_singulars(current))

    def __bool__(self) -> bool:
        """True if there is an abbreviation."""
        return bool(self._states[0])

    def before(self, end: int) -> Mapping[str, str]:
        """Return short form to long form as they hold for a mention that ends at an offset, typography folded."""
        return self._states[max(bisect_left(self._starts, end) - 1, 0)]

    def expand(self, mention: str, end: int) -> str:
        """Return a mention's text, typography folded, with long forms in the place of short forms; see `expand`."""
        return expand(fold(mention), self.before(end))


def document_abbreviations(passages: Iterable[tuple[int, str]]) -> DocumentAbbreviations:
    """Collect the abbreviations of one document.

    A short form defined in the plural ("electroretinograms (ERGs)") also gives its singular, unless that is defined
    itself.

    Args:
        passages: Offset and text of the document's passages.
    """
    definitions = [
        (offset + definition.start, fold(" ".join(definition.short.split())), fold(definition.long))
        for offset, text in passages
        for definition in find_abbreviations(text)
    ]
    return DocumentAbbreviations(sorted(definitions, key=lambda definition: definition[0]))


def _letters(text: str) -> str:
    """Return the letters and digits of a text, lower-cased: what hyphens and spaces leave the same."""
    return "".join(filter(str.isalnum, text.lower()))


def _with_singulars(abbreviations: Mapping[str, str]) -> dict[str, str]:
    singulars = dict(abbreviations)
    for short, long in abbreviations.items():
        if is_plural(short) and long.endswith("s") and not long.endswith(("ss", "us", "is")):
            singulars.setdefault(short[:-1], long[:-3] + "y" if long.endswith("ies") else long[:-1])
    return singulars


def expand(mention: str, abbreviations: Mapping[str, str]) -> str:
    """Put long forms in the place of the short forms in a mention.

    A short form counts as a whole token only, in its own case, also with a plural s. A hyphen or slash ends
    a token ("non-HD", "HD-like"), except for short forms of one character. Longer short forms go first. A
    long form is not doubled where the mention has it beside the short form ("ataxia telangiectasia (AT)"),
    nor its last word where the mention has that behind the short form ("HD disease"). A long form that was
    put in is not expanded again.

    Args:
        mention: The mention's text, as in the document.
        abbreviations: Short form to long form, as from `document_abbreviations`; pairs with an empty short
            form, or without a letter or digit in the long form, are skipped.

    Returns:
        The mention with long forms, or the mention itself if it has no short form or is longer than `MAX_MENTION`;
        empty only if that is.
    """
    # Most mentions are a short form or have none: that shows without a regular expression, which takes 1 ms to compile.
    if mention.strip() and any(map(str.isalnum, long := abbreviations.get(mention, ""))):
        return long
    if len(mention) > MAX_MENTION:
        return mention
    present = [
        (short, long)
        for short, long in abbreviations.items()
        if short.strip() and short.split()[0] in mention and any(map(str.isalnum, long))
    ]
    if not present:
        return mention
    pattern, long_forms = _expander(tuple(sorted(present, key=lambda pair: (-len(pair[0]), pair))))

    def replacement(match: re.Match[str]) -> str:
        group = match.lastgroup or ""
        return long_forms.get(group, match[group])

    return pattern.sub(replacement, mention)


@lru_cache(maxsize=1024)
def _expander(pairs: tuple[tuple[str, str], ...]) -> tuple[re.Pattern[str], dict[str, str]]:
    """A pattern for short forms, and long forms by group; its other groups are long forms in the mention."""
    options: list[str] = []
    long_forms = {}
    for n, (short, long) in enumerate(pairs):
        joined = "/-" if len(short) == 1 else ""
        plural = len(short) > 1 and short[-1].isalnum() and short[-1] != "s" and not short.islower()
        sf = r"\s+".join(map(re.escape, short.split())) + ("s?" if plural else "")
        sf = rf"(?<![\w{joined}]){sf}(?![\w{joined}])"
        words = [re.escape(word) for word in re.split(r"[\s-]+", long) if word]
        lf = r"(?<!\w)(?i:" + r"[\s-]+".join(words) + r")(?!\w)"
        beside = r"(?:\s*[,;:/]\s*|\s+(?:or\s+)?)"
        last = rf"(?:\s+(?i:{words[-1]})(?!\w))?" if len(words) > 1 else ""
        options += [
            rf"(?P<a{n}>{lf})(?:\s*[(\[]\s*{sf}(?:\s*[)\]])?|{beside}{sf})",
            rf"{sf}(?:\s*[(\[]\s*(?P<b{n}>{lf})(?:\s*[)\]])?|{beside}(?P<c{n}>{lf}))",
            rf"(?P<d{n}>{sf}){last}",
        ]
        long_forms[f"d{n}"] = long
    return re.compile("|".join(options)), long_forms
