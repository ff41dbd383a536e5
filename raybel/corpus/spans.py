"""Where an annotation's mention is in its document: spans checked against the text, and repaired.

Span repairs, in the order in which they are tried (each is counted in `repairs`): text that differs in white space,
case or typography only; no text at all; a text of the right length that writes other characters than ASCII in another
way (PubTator writes `a` for `α`); offsets in UTF-16 units, in UTF-8 bytes, or from the passage's start in place of the
document's; the text found within 5 code points of its offset; the text found at its offsets in another passage.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from raybel.corpus import text as texts
from raybel.errors import DocumentError

#: How many code points away from its stated offset a text is looked for.
MAX_SHIFT = 5


@dataclass(frozen=True, slots=True)
class Span:
    """A mention's place in its document (code points) and its text; `repaired` where the annotation differs."""

    start: int
    end: int
    text: str
    repaired: bool = False


def locate(annotation: Any, passage: Any, doc_id: str) -> Span:
    """Return the span of an annotation, repaired where a documented repair applies.

    A discontinuous annotation spans from its first to its last location; its text is what the file says, which isn't
    compared, since corpora join the pieces in several ways, or else the pieces joined by a space.
    A zero-length annotation gets a span with the empty text: it is kept and never linked.

    Raises:
        DocumentError: There is no location, the offsets are outside the passage, or the text isn't there.
    """
    name = f"annotation {annotation.id or '(no id)'}"
    if problem := getattr(annotation, "problem", ""):
        raise DocumentError(f"{name}: {problem}", document=doc_id)
    if not annotation.locations:
        raise DocumentError(f"{name} has no location", document=doc_id)
    base, body = passage.offset, passage.text
    pieces = [(location.offset - base, location.offset - base + location.length) for location in annotation.locations]
    start, end = min(a for a, _ in pieces), max(b for _, b in pieces)
    stated = annotation.text or ""
    inside = all(0 <= a <= b <= len(body) for a, b in pieces)
    if len(pieces) > 1:
        if not inside:
            raise DocumentError(f"{name} is outside its passage", document=doc_id, offset=start + base)
        joined = " ".join(body[a:b] for a, b in sorted(pieces))
        return Span(start + base, end + base, stated or joined, not stated)
    actual = body[start:end] if inside else ""
    if inside:
        if actual == stated:
            return Span(start + base, end + base, actual)
        if not stated or texts.surface(actual) == texts.surface(stated) or _transliterated(actual, stated):
            return Span(start + base, end + base, actual, True)
    for a, b in _repairs(body, base, start, end, stated):
        if a >= 0 and stated and body[a:b] == stated:
            return Span(a + base, b + base, stated, True)
    if not inside:
        raise DocumentError(
            f"{name} at {start + base}..{end + base} is outside its passage at {base}..{base + len(body)}",
            document=doc_id,
            offset=start + base,
        )
    raise DocumentError(f"{name} says {stated!r}, the text there is {actual!r}", document=doc_id, offset=start + base)


def locate_in_document(annotation: Any, passages: Sequence[Any], index: int, doc_id: str) -> tuple[int, Span]:
    """Return an annotation's passage and span; one that is filed under a wrong passage is found where its offsets say.

    Args:
        annotation: As bioc has it.
        passages: The document's.
        index: Of the passage that it is filed under; -1 for none.
        doc_id: For messages.

    Raises:
        DocumentError: It can't be located.
    """
    if not passages:
        raise DocumentError(f"annotation {annotation.id or '(no id)'} lies in no passage", document=doc_id)
    start = annotation.locations[0].offset if annotation.locations else 0
    in_no_passage = index < 0
    if in_no_passage:
        index = min(range(len(passages)), key=lambda i: abs(passages[i].offset - start))
    if (exact := _elsewhere(annotation, passages, index)) is not None:
        return exact, Span(start, start + len(annotation.text), annotation.text, not in_no_passage)
    try:
        return index, locate(annotation, passages[index], doc_id)
    except DocumentError as error:
        for number, passage in enumerate(passages):
            if len(annotation.locations) == 1 and passage.offset <= start <= passage.offset + len(passage.text):
                within = start - passage.offset
                actual = passage.text[within : within + annotation.locations[0].length]
                if number != index and actual and texts.surface(actual) == texts.surface(annotation.text or ""):
                    return number, Span(start, start + len(actual), actual, True)
        if in_no_passage and annotation.locations:
            name = f"annotation {annotation.id or '(no id)'}"
            raise DocumentError(f"{name} lies in no passage", document=doc_id, offset=start) from error
        raise


def _elsewhere(annotation: Any, passages: Sequence[Any], index: int) -> int | None:
    """Return the passage that has a misfiled annotation's very text where its offset says; its own one has not."""
    problem = getattr(annotation, "problem", "")
    if problem or len(annotation.locations) != 1 or not annotation.text:
        return None
    start, length = annotation.locations[0].offset, annotation.locations[0].length

    def has_it(passage: Any) -> bool:
        within = start - passage.offset
        return within >= 0 and bool(passage.text[within : within + length] == annotation.text)

    if has_it(passages[index]):
        return None
    return next((number for number, passage in enumerate(passages) if has_it(passage)), None)


def _transliterated(actual: str, stated: str) -> bool:
    """True if two texts of one length differ only where the first isn't ASCII, and in less than half of it."""
    if actual.isascii() or len(actual) != len(stated):
        return False
    pairs = zip(actual, stated, strict=True)
    differing = [character for character, other in pairs if character.lower() != other.lower()]
    return 2 * len(differing) < len(actual) and not any(map(str.isascii, differing))


def _repairs(body: str, base: int, start: int, end: int, stated: str) -> Iterator[tuple[int, int]]:
    """Yield the places where a mention may be when it isn't where its offsets say."""
    if not body.isascii():
        for encoding, unit in (("utf-16-le", 2), ("utf-8", 1)):
            encoded = body.encode(encoding, "surrogatepass")
            # The passage's own offset was counted in the same unit; from the passage's start the two agree.
            with contextlib.suppress(UnicodeDecodeError):
                before = len(encoded[: max(start, 0) * unit].decode(encoding, "surrogatepass"))
                yield before, before + len(stated)
    yield start + base, end + base  # offsets counted from the passage's start
    near = range(-MAX_SHIFT, MAX_SHIFT + 1)
    for shift in sorted(near, key=abs):
        yield start + shift, start + shift + len(stated)
