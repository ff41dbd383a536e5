"""JSON text read as a stream: values one at a time, and the text around them as it stands in the file.

Python's own parser does the parsing. A value that the text read so far doesn't hold to its end is tried again when
there is twice as much, so that a value of any size is parsed a few times at most.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from raybel.corpus.formats.base import LimitedFile
from raybel.corpus.formats.content import encoding_of
from raybel.errors import InputError

READ_BYTES = 1 << 18
#: How deep objects and lists may be nested in a value.
MAX_DEPTH = 256
_SPACE = " \t\r\n"
_NOT_SPACE = re.compile(r"[^ \t\r\n]")
#: Outside of strings, JSON may have line ends and tabs; inside, it may not.
_LINE_ENDS = re.compile(r"[\n\r\t][\n\r\t ]*")
#: No token but a string is longer; so much of a text's end may be a token that goes on.
_LONGEST_TOKEN = 16


_TOO_DEEP = f"isn't BioC JSON: its lists and objects are nested more than {MAX_DEPTH} deep"


class _Oddities(list[str]):
    """What of a value wouldn't survive being parsed and written again, gathered while it is parsed."""

    def object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """Return an object's pairs as a dict."""
        value = dict(pairs)
        if len(value) != len(pairs):
            key = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
            self.append(f"an object in it has the key {json.dumps(key)} twice")
        return value

    def float(self, text: str) -> float:
        """Return a number."""
        value = float(text)
        if math.isinf(value):
            self.append(f"it has the number {text[:20]}, which is too large")
        return value


class JsonStream:
    """A JSON file, of which a piece is in memory: from the last document on.

    Args:
        file: The file; its limit holds for what is in memory.

    Attributes:
        oddities: What of the value read last wouldn't survive being parsed and written again.
    """

    def __init__(self, file: LimitedFile) -> None:
        self.file, self.oddities = file, _Oddities()
        self.text, self.place, self.mark, self.line = "", 0, 0, 1
        self.ended = False
        self._decoder: codecs.IncrementalDecoder | None = None
        self._parser = json.JSONDecoder(object_pairs_hook=self.oddities.object, parse_float=self.oddities.float)

    def _more(self) -> None:
        """Read on: as much as there is in memory, at least a block, at most to just above the limit."""
        kept = len(self.text) - self.mark
        self.line += self.text.count("\n", 0, self.mark)
        parts, wanted = [self.text[self.mark :]], max(READ_BYTES, kept)
        self.place -= self.mark
        self.mark = 0
        while wanted > 0 and not self.ended:
            room = self.file.limit - self.file.since_document
            data = self.file.read(max(1, min(wanted, READ_BYTES, room)))
            wanted -= len(data)
            parts.append(self._decoded(data))
            self.ended = not data
        self.text = "".join(parts)

    def _decoded(self, data: bytes) -> str:
        if self._decoder is None:
            while 0 < len(data) < 4 and (more := self.file.read(4 - len(data))):
                data += more
            encoding, mark = encoding_of(data)
            self._decoder, data = codecs.getincrementaldecoder(encoding)(), data[mark:]
        try:
            return self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            shown = " ".join(f"{byte:02X}" for byte in error.object[error.start : error.start + 4])
            raise InputError(f"isn't {error.encoding.upper()} text: it has the bytes {shown}") from error

    def peek(self) -> str:
        """Return the next character that isn't white space, without going past it; "" at the end."""
        while True:
            if found := _NOT_SPACE.search(self.text, self.place):
                self.place = found.start()
                return found[0]
            self.place = len(self.text)
            if self.ended:
                return ""
            self._more()

    def expect(self, *characters: str) -> str:
        """Go past the next character, which must be one of some, and return it."""
        if (found := self.peek()) not in characters or not found:
            self._fail(f"expected {' or '.join(f'`{c}`' for c in characters)}", self.place)
        self.place += 1
        return found

    def value(self) -> Any:
        """Return the next value, and go past it."""
        self.peek()
        while True:
            self.oddities.clear()
            try:
                value, end = self._parser.raw_decode(self.text, self.place)
            except json.JSONDecodeError as error:
                if self.ended or not self._may_go_on(error):
                    self._fail(error.msg.removesuffix(" at"), error.pos)
            except RecursionError as error:
                raise InputError(_TOO_DEEP) from error
            except ValueError as error:  # Python's limit on digits, since anything else is a JSONDecodeError
                raise InputError("isn't BioC JSON: it has a number of thousands of digits") from error
            else:
                if (
                    self.ended or self.text[end - 1] in '}]"' or len(self.text) - end > _LONGEST_TOKEN
                ):  # else it may go on
                    if _is_deep(value):
                        raise InputError(_TOO_DEEP)
                    self.place = end
                    return value
            self._more()

    def _may_go_on(self, error: json.JSONDecodeError) -> bool:
        rest = len(self.text) - error.pos
        return error.msg.startswith("Unterminated") or (
            rest <= _LONGEST_TOKEN or len(self.text[error.pos :].strip(_SPACE)) <= _LONGEST_TOKEN
        )

    def _fail(self, reason: str, place: int) -> None:
        line = self.line + self.text.count("\n", 0, place)
        if self.ended and (place >= len(self.text.rstrip(_SPACE)) or reason.startswith("Unterminated")):
            raise InputError(f"isn't whole JSON: it ends in the middle of a value at line {line}; is it cut off?")
        raise InputError(f"isn't well-formed JSON at line {line}: {reason[0].lower()}{reason[1:]}")

    def items(self, opening: str) -> Iterator[str]:
        """Go through an object or a list: yield the next character at the beginning of each item; at last past the end.

        Args:
            opening: `{` or `[`.
        """
        closing = {"{": "}", "[": "]"}[opening]
        self.expect(opening)
        if self.peek() == closing:
            self.expect(closing)
            return
        while True:
            yield self.peek()
            if self.expect(",", closing) == closing:
                return

    def key(self) -> str:
        """Return an object's next key, and go past it and its colon."""
        if self.peek() != '"':
            self._fail('expected a key in `"`', self.place)
        key: str = self.value()
        self.expect(":")
        return key

    def taken(self, until: int | None = None) -> str:
        """Return the text from the end of the last call's to a place (by default the present one), and forget it."""
        until = self.place if until is None else until
        text, self.mark = self.text[self.mark : until], until
        return text

    def free(self) -> None:
        """Begin to count the limit anew: what was read before is dealt with."""
        self.file.since_document = len(self.text) - self.mark


def _is_deep(value: Any) -> bool:
    """True if a value's objects and lists are nested deeper than `MAX_DEPTH`, wherever Python's own limit lies."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def on_one_line(text: str) -> str:
    """Return JSON without line ends and tabs, which it may have between its tokens only."""
    return _LINE_ENDS.sub("", text)
