"""Clauses of OBO files as a strict parser wants them, where files are often more relaxed."""

from __future__ import annotations

import re

#: A quoted text and what stands before its references, which aren't read either.
_QUOTED = re.compile(rb'^((?:def|synonym)[ \t]*:\s*"(?:[^"\\]|\\.)*"[^\[{]*)\[.*')
#: OBO 1.0 has the scope in the tag; OBO 1.2 takes a synonym without one for a related one.
_OLD_SYNONYM = re.compile(rb'(exact|narrow|broad|related)_synonym[ \t]*:[ \t]*("(?:[^"\\]|\\.)*").*')
_WITHOUT_SCOPE = re.compile(rb'(synonym[ \t]*:\s*"(?:[^"\\]|\\.)*")\s*(?:\[\])?')
_WITH_SCOPE = re.compile(
    rb'(synonym[ \t]*:\s*"(?:[^"\\]|\\.)*")\s*(exact|narrow|broad|related)\b([^\[{]*)(?:\[\])?', re.IGNORECASE
)
_BARE_BRACE = re.compile(rb"(?<!\\)([{}])")
_QUALIFIERS = re.compile(rb'\{\s*[\w:.-]+\s*=\s*"')


def current_form(clause: bytes) -> bytes:
    """Return a synonym of OBO 1.0 (`exact_synonym: "x"`) as OBO 1.4 writes it, any other line as it is."""
    old = _OLD_SYNONYM.fullmatch(clause)
    return b"synonym: %s %s []" % (old[2], old[1].upper()) if old else clause


def strict(tag: bytes, clause: bytes) -> bytes:
    """Return a clause without its references, and as the library wants it where files are often more relaxed."""
    if tag == b"is_obsolete":
        return clause.lower()
    if tag == b"name" and not _QUALIFIERS.search(clause):  # chemicals' names have braces
        return _BARE_BRACE.sub(rb"\\\1", clause)
    quoted = _QUOTED.sub(rb"\1[]", clause)
    if scopeless := _WITHOUT_SCOPE.fullmatch(quoted):
        return b"%s RELATED []" % scopeless[1]
    if scoped := _WITH_SCOPE.fullmatch(quoted):
        return b"%s %s []" % (scoped[1], b" ".join([scoped[2].upper(), *scoped[3].split()]))
    return quoted
