r"""Terms of OBO files and of OBO Graphs JSON, one at a time.

Layouts: https://owlcollab.github.io/oboformat/doc/GO.format.obo-1_4.html and https://github.com/geneontology/obographs

`fastobo` parses OBO: it is maintained, streams frame by frame (MONDO: 1 s, 76 MB), gives the line of a mistake, reads
nothing but the stream that it gets, and has no dependencies. It is strict, and breaks off (even panics, at a comment
line) where other tools don't, often in clauses that an ontology here doesn't need, such as an xref with a space: so it
gets only the clauses of `CLAUSES` of `[Term]` frames; every other line is blank to it, which keeps the lines' numbers.
`pronto`, built on it, reads OWL and OBO Graphs too, but loads whatever it reads whole, and imports unless told not to.
fastobo's own `load_graph` takes YAML for JSON, keeps the whole graph, panics at input of another shape, and turns
`SNOMEDCT_US:1` into `SNOMEDCT:US_1`: so OBO Graphs are read as a stream by ijson. Nothing here follows an import, opens
another file, or reaches the network.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

import fastobo
import ijson

from raybel.errors import InputError
from raybel.prepare.common import open_input
from raybel.prepare.curies import obo_curie
from raybel.prepare.obo_clauses import current_form, strict

#: The clauses of a term that are read.
CLAUSES = ("id", "name", "def", "synonym", "alt_id", "is_a", "is_obsolete", "replaced_by")
#: Bytes of a line, and of the clauses of a term, above which a file is refused; MONDO's longest term has 20 KB.
MAX_LINE, MAX_TERM = 1 << 20, 16 << 20
#: How deep OBO Graphs JSON may be nested.
MAX_DEPTH = 64
_CLAUSE = re.compile(rb"([A-Za-z_][\w-]*)[ \t]*:(.*)", re.DOTALL)
_FRAME = re.compile(rb"\[([A-Za-z_]\w*)\]\s*(?:!.*)?")
#: How files in OWL's syntaxes begin, after white space.
_OWL = (b"<", b"Prefix(", b"Ontology(", b"@prefix", b"@base", b"Prefix:", b"Ontology:")
_SCOPES = {
    "hasExactSynonym": "exact",
    "hasNarrowSynonym": "narrow",
    "hasBroadSynonym": "broad",
    "hasRelatedSynonym": "related",
}
#: "term replaced by", as properties of OBO Graphs name it.
_REPLACED_BY = ("http://purl.obolibrary.org/obo/IAO_0100001", "IAO:0100001")


@dataclass
class Term:
    """A term as its file has it.

    Args:
        where: Its place in the file, for messages.
        term_id: A CURIE such as `HP:0000001`, or an IRI that can't be shortened.
        name: "" for none.
        synonyms: (name, scope) in file order; a scope is `exact`, `narrow`, `broad` or `related`.
        replaced_by: Ids of the terms that replace an obsolete one.
    """

    where: str
    term_id: str
    name: str = ""
    definition: str = ""
    synonyms: list[tuple[str, str]] = field(default_factory=list)
    alt_ids: list[str] = field(default_factory=list)
    parents: list[str] = field(default_factory=list)
    obsolete: bool = False
    replaced_by: list[str] = field(default_factory=list)


def read_terms(path: str, ignored: Counter[str]) -> Iterator[Term]:
    """Yield the terms of a file, plain or gzipped, obsolete ones too; memory for one at a time (OBO Graphs: ids too).

    Args:
        path: OBO, or OBO Graphs JSON, whatever its name.
        ignored: Counts what is left out, by kind.

    Raises:
        InputError: Neither of the two (OWL's error says how to convert it); a line that isn't OBO (it is named); cut
            off; not UTF-8; a line or a term of a size that no ontology has.
    """
    with open_input(path) as file:
        start = file.read(1 << 12).removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(_OWL):
        raise InputError("is OWL, not OBO; convert it: robot convert --input FILE --output FILE.obo", path=path)
    if start.startswith(b"{"):
        yield from _graph_terms(path, ignored)
        return
    with open_input(path) as file:
        yield from _obo_terms(_TermLines(file, ignored))


class _TermLines:
    """An OBO file as fastobo gets it: the clauses of its terms that are read, a blank line for every other one.

    Args:
        file: The whole file, as bytes.
        ignored: Counts frames of other kinds, and clauses without a value.
    """

    def __init__(self, file: IO[bytes], ignored: Counter[str]) -> None:
        self.file, self.ignored = file, ignored
        self.number = self.term_bytes = 0
        self.frame = ""  # the header
        self.starts: deque[int] = deque()  # lines of the terms that fastobo hasn't returned yet
        self.error: BaseException | None = None
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes; what goes wrong is kept, since fastobo would hide it."""
        try:
            while len(self._rest) < size and (line := self.file.readline(MAX_LINE + 1)):
                self.number += 1
                if len(line) > MAX_LINE:
                    raise InputError(f"line {self.number}: is longer than {MAX_LINE:,} bytes")
                self._rest += self._kept(line) + b"\n"
        except BaseException as error:
            self.error = error
            raise
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece

    def _kept(self, line: bytes) -> bytes:
        text = (line.removeprefix(b"\xef\xbb\xbf") if self.number == 1 else line).strip()
        if not text or text.startswith(b"!"):
            return b""
        if header := _FRAME.fullmatch(text):
            self.frame, self.term_bytes = header[1].decode(), 0
            if self.frame != "Term":
                self.ignored[f"[{self.frame}] frames"] += 1
                return b""
            self.starts.append(self.number)
            return b"[Term]"
        text = current_form(text)
        clause = _CLAUSE.fullmatch(text)
        if clause is None:
            what = f"{text[:60].decode(errors='replace')!r} is neither a clause (tag: value) nor a frame ([Term])"
            raise InputError(f"line {self.number}: {what}; is it an OBO file?")
        if self.frame != "Term" or clause[1].decode() not in CLAUSES:
            return b""
        if not clause[2].strip():
            self.ignored["clauses without a value"] += 1
            return b""
        self.term_bytes += len(text)
        if self.term_bytes > MAX_TERM:
            raise InputError(f"line {self.number}: the term has more than {MAX_TERM:,} bytes")
        try:
            text.decode()
        except UnicodeDecodeError as error:
            raise InputError(f"line {self.number}: isn't UTF-8 text ({error.reason})") from error
        return strict(clause[1], text)


def _obo_terms(lines: _TermLines) -> Iterator[Term]:
    try:
        for frame in fastobo.iter(lines, ordered=True, threads=1):
            yield _from_frame(frame, f"line {lines.starts.popleft()}")
    except SyntaxError as error:
        place, text = error.lineno or lines.number, (error.text or "").strip()
        raise InputError(f"line {place}: isn't OBO: {error.msg} in {text[:80]!r}") from error
    except BaseException as error:
        if lines.error is not None:
            raise lines.error from None
        if type(error).__name__ == "PanicException":  # fastobo's Rust, which derives it from BaseException
            near = lines.starts[0] if lines.starts else lines.number
            raise InputError(f"line {near}: this term, or one soon after it, isn't OBO ({error})") from error
        raise


def _from_frame(frame: Any, where: str) -> Term:
    term = Term(where, _plain(frame.id))
    for clause in frame:
        match clause.raw_tag():
            case "name":
                term.name = term.name or clause.name.strip()
            case "def":
                term.definition = term.definition or " ".join(str(clause.definition).split())
            case "synonym":
                term.synonyms.append((clause.synonym.desc.strip(), clause.synonym.scope.lower()))
            case "alt_id":
                term.alt_ids.append(_plain(clause.alt_id))
            case "is_a":
                term.parents.append(_plain(clause.term))
            case "replaced_by":
                term.replaced_by.append(_plain(clause.term))
            case "is_obsolete":
                term.obsolete = clause.obsolete
    return term


def _plain(identifier: Any) -> str:
    """An id without OBO's escapes; an IRI of OBO's own as a CURIE."""
    if isinstance(identifier, fastobo.id.PrefixedIdent):
        return f"{identifier.prefix}:{identifier.local}"
    if isinstance(identifier, fastobo.id.UnprefixedIdent):
        return str(identifier.unescaped)
    return obo_curie(str(identifier))


def _graph_terms(path: str, ignored: Counter[str]) -> Iterator[Term]:
    """Yield the terms of OBO Graphs JSON, which is read twice: its edges, which follow the nodes, are needed first."""
    parents: dict[str, list[str]] = {}
    for edge in _items(path, "edges"):
        if edge.get("pred") == "is_a":
            parents.setdefault(_text(edge.get("sub")), []).append(obo_curie(_text(edge.get("obj"))))
    count = 0
    for count, node in enumerate(_items(path, "nodes"), 1):
        if node.get("type") not in ("CLASS", None):
            ignored[f"{_text(node['type']).lower()} nodes"] += 1
            continue
        iri = _text(node.get("id"))
        if not iri:
            raise InputError(f"node {count}: has no id", path=path)
        yield _from_node(node, f"node {count}", iri, parents.get(iri, []))
    if not count:
        raise InputError("holds no `graphs` with `nodes`: isn't OBO Graphs JSON", path=path)


def _from_node(node: dict[str, Any], where: str, iri: str, parents: list[str]) -> Term:
    meta = _object(node.get("meta"))
    term = Term(where, obo_curie(iri), _text(node.get("lbl")), parents=parents)
    term.definition = " ".join(_text(_object(meta.get("definition")).get("val")).split())
    term.obsolete = meta.get("deprecated") is True
    for synonym in map(_object, _list(meta.get("synonyms"))):
        predicate = _text(synonym.get("pred")).rpartition("#")[2]
        if predicate not in _SCOPES:
            raise InputError(f"{where}: a synonym's predicate is {predicate!r}, not one of {', '.join(_SCOPES)}")
        term.synonyms.append((_text(synonym.get("val")), _SCOPES[predicate]))
    for value in map(_object, _list(meta.get("basicPropertyValues"))):
        if _text(value.get("pred")).endswith("#hasAlternativeId"):
            term.alt_ids.append(obo_curie(_text(value.get("val"))))
        elif _text(value.get("pred")) in _REPLACED_BY:
            term.replaced_by.append(obo_curie(_text(value.get("val"))))
    return term


def _items(path: str, key: str) -> Iterator[dict[str, Any]]:
    """Yield the objects in the lists `key` of the graphs in a JSON file.

    Raises:
        InputError: Not JSON, cut off, an item that isn't an object or is of a size or depth that no term has.
    """
    place = ["graphs", "item", key, "item"]
    stack: list[str] = []  # of each open object its current key, of each open list "item"
    builder: Any = None
    with open_input(path) as file:
        bounded = _BoundedFile(file)
        try:
            # `ijson.parse` makes a path for each event, which in a deeply nested file exhausts the memory.
            for event, value in ijson.basic_parse(bounded, use_float=True):
                if builder is None and stack == place and event != "end_array":
                    if event != "start_map":
                        raise InputError(f"an item of `{key}` isn't an object: {str(value)[:40]!r}")
                    builder = ijson.common.ObjectBuilder()
                if builder is not None:
                    builder.event(event, value)
                if event in ("start_map", "start_array"):
                    stack.append("" if event == "start_map" else "item")
                    if len(stack) > MAX_DEPTH:
                        raise InputError(f"is nested more than {MAX_DEPTH} deep: isn't OBO Graphs JSON")
                elif event in ("end_map", "end_array"):
                    stack.pop()
                    if len(stack) <= len(place):
                        bounded.since_item = 0
                elif event == "map_key":
                    stack[-1] = value
                if builder is not None and stack == place:
                    yield builder.value
                    builder = None
        except (ijson.JSONError, UnicodeDecodeError) as error:
            raise InputError(f"isn't readable JSON: {str(error).splitlines()[0]}") from error


class _BoundedFile:
    """A JSON file of which an item may have `MAX_TERM` bytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.since_item, self.started = file, 0, False

    def read(self, size: int = -1) -> bytes:
        """Return about `size` bytes, b"" at the end; a byte order mark is left out."""
        data = self.file.read(size)
        if not self.started and data:
            self.started, data = True, data.removeprefix(b"\xef\xbb\xbf")
        self.since_item += len(data)
        if self.since_item > MAX_TERM:
            raise InputError(f"a node or an edge has more than {MAX_TERM:,} bytes")
        return data


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
