"""Short forms judged as the long forms that a document defines them by.

A classifier sees letters; what they stand for is said once, often far away. So the long form decides: where it was
found as a mention, its short form is one of the same type wherever the document has it; where it was seen to be none,
its short form is none either.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from raybel.corpus.abbreviations import Abbreviation, find_abbreviations
from raybel.detection.base import Detection


@dataclass
class _ShortForm:
    """What a document's definitions of a short form say.

    Args:
        found: The mentions that its long forms are.
        touched: Whether a mention overlaps a long form without being it: nothing is known then.
    """

    found: list[Detection] = field(default_factory=list)
    touched: bool = False

    @property
    def mention(self) -> Detection | None:
        """The mention that counts: of the most frequent type (of several, the first by name), the most probable."""
        if not self.found:
            return None
        counts = Counter(each.type for each in self.found)
        kind = min(counts, key=lambda kind: (-counts[kind], kind))
        return max((each for each in self.found if each.type == kind), key=lambda each: each.score)


def judged_by_long_forms(passages: Sequence[str], found: Sequence[Sequence[Detection]]) -> list[list[Detection]]:
    """Return a document's mentions, with its short forms as its long forms are.

    A short form that is a mention gets the type and score of its long form; one that is in no mention becomes one; one
    that is a mention all by itself is left out where no mention touches its long form. What is part of a longer
    mention, or overlaps one, stays.

    Args:
        passages: Texts of the document's passages.
        found: The mentions in each of them, in order, without overlap.
    """
    forms: dict[str, _ShortForm] = {}
    for text, mentions in zip(passages, found, strict=True):
        for definition in find_abbreviations(text):
            if (place := long_form_place(text, definition)) is not None:
                _note(forms.setdefault(definition.short, _ShortForm()), mentions, place, text, definition)
    if not forms:
        return [list(mentions) for mentions in found]
    longest_first = sorted(forms, key=lambda short: (-len(short), short))
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")
    return [_judged(text, mentions, forms, pattern) for text, mentions in zip(passages, found, strict=True)]


def long_form_place(text: str, definition: Abbreviation) -> tuple[int, int] | None:
    """Return where the long form of a definition is, nearest to the short form; None if it isn't there as it is."""
    pattern = re.compile(r"\s+".join(map(re.escape, definition.long.split())))
    places = [match.span() for match in pattern.finditer(text)]
    if not places:
        return None
    return min(places, key=lambda place: (min(abs(definition.start - place[1]), abs(place[0] - definition.end)), place))


def _note(
    form: _ShortForm,
    mentions: Sequence[Detection],
    place: tuple[int, int],
    text: str,
    definition: Abbreviation,
) -> None:
    """Note what a definition says: a mention that ends with the long form and has all of it is what it stands for."""
    start, end = place
    for each in mentions:
        if each.start >= end or start >= each.end:
            continue
        # "alkaptonuria gene (AKU)": the short form stands for more than the long form that was found for it.
        follows = definition.start < end or not text[end : definition.start].strip(" \t\n([,;:")
        if each.start <= start and each.end == end and follows:
            form.found.append(each)
        else:
            form.touched = True


def _judged(
    text: str, mentions: Sequence[Detection], forms: dict[str, _ShortForm], pattern: re.Pattern[str]
) -> list[Detection]:
    judged = list(mentions)
    for match in pattern.finditer(text):
        start, end = match.span()
        form = forms[match.group()]
        mention = form.mention
        overlapping = [each for each in judged if each.start < end and start < each.end]
        alone = [each for each in overlapping if (each.start, each.end) == (start, end)]
        if overlapping and not alone:
            continue
        if mention is not None:
            if alone and alone[0].type == mention.type and alone[0].score >= mention.score:
                continue
            judged = [each for each in judged if each not in alone]
            judged.append(Detection(start, end, mention.type, mention.score, mention.detector))
        elif alone and not form.touched:
            judged.remove(alone[0])
    return sorted(judged, key=lambda each: each.start)
