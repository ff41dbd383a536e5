"""What is suspicious in an ontology: names that can't be meant, ids that mislead, a hierarchy with holes.

Everything is computed on whole Arrow columns: a million names take about 3 seconds of a core and 0.4 GB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array, csgraph

from raybel.ontology.concept import NULLS
from raybel.ontology.store import Ontology

#: Examples of each finding, and the characters of a name that are shown.
EXAMPLES, EXAMPLE_LENGTH = 3, 60
#: A name above so many characters is hardly one that a text uses.
LONG = 200
#: What is looked for in names, as RE2 (https://github.com/google/re2/wiki/Syntax).
NAME_PATTERNS = (
    ("names with HTML entities or markup", r"&(?:#\d+|#[xX][0-9a-fA-F]+|[A-Za-z][A-Za-z0-9]+);|</?[A-Za-z][^<>]*>"),
    ("names that end in INCLUDED or FORMERLY", r"(?:^|[,;] ?)(?:INCLUDED|FORMERLY)$|\((?:included|formerly)\)$"),
    ("names with invisible characters or line ends", r"[\p{Cc}\p{Cf}\x{034f}\x{2028}\x{2029}]"),
    ("names in a wrong encoding (Ã© for é)", r"[ÃÂ][\x{0080}-\x{00bf}]|â€|ï»¿|\x{fffd}"),
    ("names with a bar: lists that weren't split?", r"\|"),
    ("names of digits and punctuation alone", r"^[\p{N}\p{P}\p{S}\p{Z}]+$"),
    ("names of one or two characters", r"^(?s:.{1,2})$"),
    (f"names of more than {LONG} characters", rf"^(?s:.{{{LONG}}}.)"),
)
#: What is looked for in ids; corpora write several ids of a mention with these characters between.
ID_PATTERNS = (
    ("ids with white space", r"[\s\p{Z}]"),
    ("ids with | , ; or +, which separate ids in corpora", r"[|,;+]"),
    ("ids that end in .0: numbers made floating-point?", r"^\d+\.0$"),
)


@dataclass(frozen=True)
class Finding:
    """Something suspicious.

    Args:
        what: What it is.
        count: How many there are.
        examples: The first ones, or the worst; characters that can't be seen are escaped.
    """

    what: str
    count: int
    examples: tuple[str, ...]


class _Names(NamedTuple):
    """All names and aliases: the strings (none is null), and the row of the concept that each belongs to."""

    strings: pa.Array
    rows: np.ndarray


def check(ontology: Ontology) -> list[Finding]:
    """Return what is suspicious in an ontology, in a fixed order; findings that count nothing are among them."""
    return [*_of_names(ontology), *_of_ids(ontology), *_of_parents(ontology), _definitions(ontology)]


def _finding(what: str, hits: np.ndarray, shown: Callable[[int], str]) -> Finding:
    """A finding of the places where `hits` is true."""
    places = np.flatnonzero(hits)
    return Finding(what, len(places), tuple(_visible(shown(int(place))) for place in places[:EXAMPLES]))


def _visible(text: str) -> str:
    """A text of bounded length, with characters that can't be seen (or move a terminal's cursor) escaped."""
    cut = text if len(text) <= EXAMPLE_LENGTH else text[: EXAMPLE_LENGTH - 3] + "..."
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in cut)


def _matches(strings: pa.Array, pattern: str) -> np.ndarray:
    return np.asarray(pc.fill_null(pc.match_substring_regex(strings, pattern), False))


def _of_names(ontology: Ontology) -> Iterator[Finding]:
    lists = ontology.table["aliases"].combine_chunks()
    own = pc.fill_null(ontology.table["name"].combine_chunks(), "")
    ids = ontology.table["concept_id"]
    strings = pa.concat_arrays([own, pc.fill_null(pc.list_flatten(lists), "")])
    rows = np.concatenate([np.arange(len(own)), np.asarray(pc.list_parent_indices(lists))])
    names = _Names(strings, rows)

    def named(place: int) -> str:
        return f"{ids[int(rows[place])].as_py()} {strings[place].as_py()}"

    yield _shared(names)
    nameless = np.asarray(pc.equal(own, ""))
    yield _finding("concepts without a name", nameless, lambda row: str(ids[row].as_py()))
    nothing = np.asarray(pc.is_in(strings, value_set=pa.array(sorted(NULLS))))
    yield _finding("names that stand for nothing (nan, None)", nothing, named)
    for what, pattern in NAME_PATTERNS:
        yield _finding(what, _matches(strings, pattern), named)


def _shared(names: _Names) -> Finding:
    """Names that several concepts have, those of the most concepts first."""
    encoded = pc.dictionary_encode(pc.utf8_lower(names.strings))
    codes = np.asarray(encoded.indices).astype(np.int64)
    pairs = np.unique((codes << 32) | names.rows)  # a concept counts once
    concepts = np.bincount(pairs >> 32, minlength=len(encoded.dictionary))
    empty = pc.index(encoded.dictionary, "").as_py()
    if empty >= 0:
        concepts[empty] = 0
    order = np.lexsort((np.arange(len(concepts)), -concepts))[:EXAMPLES]
    worst = [
        f"{_visible(encoded.dictionary[int(code)].as_py())} ({concepts[code]:,} concepts)"
        for code in order
        if concepts[code] > 1
    ]
    return Finding("names shared by several concepts", int((concepts > 1).sum()), tuple(worst))


def _of_ids(ontology: Ontology) -> Iterator[Finding]:
    ids = ontology.table["concept_id"].combine_chunks()
    for what, pattern in ID_PATTERNS:
        yield _finding(what, _matches(ids, pattern), lambda row: str(ids[row].as_py()))
    lists = ontology.table["alt_ids"].combine_chunks()
    owners = np.asarray(pc.list_parent_indices(lists)).astype(np.int64)
    alternative = pc.list_flatten(lists)
    canonical = np.asarray(pc.fill_null(pc.index_in(alternative, value_set=ids), -1))

    def pair(place: int) -> str:
        return f"{alternative[place].as_py()} of {ids[int(owners[place])].as_py()}"

    others = (canonical >= 0) & (canonical != owners)
    yield _finding("alternative ids that are another concept's own id", others, pair)
    encoded = pc.dictionary_encode(alternative)
    codes = np.asarray(encoded.indices).astype(np.int64)
    concepts = np.bincount(np.unique((codes << 32) | owners) >> 32, minlength=len(encoded.dictionary))
    yield _finding(
        "alternative ids of several concepts",
        concepts > 1,
        lambda code: f"{encoded.dictionary[code].as_py()} ({concepts[code]:,} concepts)",
    )


def _of_parents(ontology: Ontology) -> Iterator[Finding]:
    ids = ontology.table["concept_id"].combine_chunks()
    lists = ontology.table["parents"].combine_chunks()
    children = np.asarray(pc.list_parent_indices(lists)).astype(np.int64)
    parents = pc.list_flatten(lists)
    distinct = pc.dictionary_encode(parents)
    known = ontology.indices(distinct.dictionary.to_pylist())  # alternative ids count too
    rows = known[np.asarray(distinct.indices)].astype(np.int64)

    def pair(place: int) -> str:
        return f"{parents[place].as_py()} of {ids[int(children[place])].as_py()}"

    yield _finding("parents that aren't in the ontology", rows < 0, pair)
    inside = rows >= 0
    edges = (np.ones(int(inside.sum()), np.int8), (children[inside], rows[inside]))
    graph = coo_array(edges, shape=(len(ids), len(ids))).tocsr()
    _, component = csgraph.connected_components(graph, directed=True, connection="strong")
    sizes = np.bincount(component, minlength=1) if len(component) else np.zeros(1, np.int64)
    looped = np.zeros(len(sizes), bool)
    looped[component[children[inside & (children == rows)]]] = True

    def cycle(number: int) -> str:
        members = np.flatnonzero(component == number)[: EXAMPLES + 1]
        more = " ..." if sizes[number] > len(members) else ""
        return ", ".join(str(ids[int(row)].as_py()) for row in members) + more

    yield _finding("cycles: concepts that are their own parents' parents", (sizes > 1) | looped, cycle)


def _definitions(ontology: Ontology) -> Finding:
    names, definitions = (
        pc.utf8_lower(pc.utf8_trim_whitespace(pc.fill_null(ontology.table[column].combine_chunks(), "")))
        for column in ("name", "definition")
    )
    same = np.asarray(pc.and_(pc.equal(names, definitions), pc.not_equal(names, "")))
    ids = ontology.table["concept_id"]
    return _finding("definitions that are the name", same, lambda row: f"{ids[row].as_py()} {names[row].as_py()}")
