"""What is suspicious in an ontology, counted, with examples.

Names are looked at in batches, and what belongs together is found by sorting hashes: UMLS' 7.4 million names take about
a minute and 1 GB beside the ontology itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import regex

from raybel.ontology.store import Ontology

#: How many examples of each finding are kept.
EXAMPLES = 3
#: A longer name is rather a description.
LONG_NAME = 200
#: Texts that stand for no name.
NULL_NAMES = frozenset(["nan", "none", "null", "n/a", "#n/a", "nil", "undefined"])
_BATCH = 65_536

#: What is looked for in each name, by what is said of it.
_PATTERNS = {
    "names with character references": r"&(?:[A-Za-z]{2,8}|#x?[0-9A-Fa-f]{1,6});",
    "names with markup": r"</?[A-Za-z][A-Za-z0-9]{0,10}/?>",
    "names that end in INCLUDED or the like": r"(?i)[,;]\s*(?:included|formerly|not otherwise specified|nos)\s*$",
    "names in a wrong encoding": "Ã[\u0080-\u00bf]|Â[\u0080-\u00bf]|â€|\ufffd",
    "names without a letter": r"^[^\p{L}]+$",
    "names of one or two letters": r"^.{1,2}$",
    "names with invisible characters": r"[\u200b-\u200f\u2060\ufeff\u00ad]",
}


@dataclass
class Finding:
    """Something suspicious.

    Args:
        what: What it is, in the plural.
        count: How often it occurs.
        examples: The first few.
    """

    what: str
    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, examples: Iterable[str], count: int = 1) -> None:
        """Count what was found, and keep the first examples."""
        self.count += count
        for example in examples:
            if len(self.examples) == EXAMPLES:
                break
            self.examples.append(example)


def check(ontology: Ontology) -> list[Finding]:
    """Return what is suspicious in an ontology, without what isn't found in it, in the order of this module."""
    findings = [*_names(ontology), *_shared(ontology), *_ids(ontology), *_alternatives(ontology), *_parents(ontology)]
    return [finding for finding in findings if finding.count]


def _names(ontology: Ontology) -> Iterator[Finding]:
    """Look at each name by itself."""
    nameless, null_like, long = (
        Finding("concepts without a name"),
        Finding("names that stand for none"),
        Finding(f"names of more than {LONG_NAME} characters"),
    )
    matching = {what: (regex.compile(pattern), Finding(what)) for what, pattern in _PATTERNS.items()}
    for concept_id, names in _by_concept(ontology):
        if not names:
            nameless.add([concept_id])
        for name in names:
            if name.casefold().strip() in NULL_NAMES:
                null_like.add([f"{name!r} of {concept_id}"])
            if len(name) > LONG_NAME:
                long.add([f"{name[:60]!r}... of {concept_id}"])
            for pattern, finding in matching.values():
                if pattern.search(name):
                    finding.add([f"{name[:80]!r} of {concept_id}"])
    yield from (nameless, null_like, long, *(finding for _, finding in matching.values()))


def _by_concept(ontology: Ontology) -> Iterator[tuple[str, list[str]]]:
    columns = ontology.table.select(["concept_id", "name", "aliases"])
    for batch in columns.to_batches(max_chunksize=_BATCH):
        ids, names, aliases = (column.to_pylist() for column in batch.columns)
        for concept_id, name, others in zip(ids, names, aliases, strict=True):
            yield concept_id, [text for text in (name, *(others or ())) if text]


def _shared(ontology: Ontology) -> Iterator[Finding]:
    """Find the names that several concepts have, the ones with most concepts first."""
    finding = Finding("names that several concepts have")
    rows, texts = _folded_names(ontology)
    encoded = texts.dictionary_encode()
    pairs = np.unique((np.asarray(encoded.indices).astype(np.int64) << 32) | rows)
    concepts_of = np.bincount(pairs >> 32, minlength=len(encoded.dictionary))
    shared = np.flatnonzero(concepts_of > 1)
    order = shared[np.argsort(-concepts_of[shared], kind="stable")]
    ids = ontology.table["concept_id"]
    for number in order[:EXAMPLES].tolist():
        owners = (pairs[pairs >> 32 == number] & 0xFFFFFFFF).tolist()
        named = ", ".join(ids[row].as_py() for row in owners[:3]) + (", ..." if len(owners) > 3 else "")
        finding.add([f"{encoded.dictionary[number].as_py()[:80]!r} of {named}"])
    finding.count = len(shared)
    yield finding


def _folded_names(ontology: Ontology) -> tuple[np.ndarray, pa.Array]:
    """Return each name's row and the name in lower case, white space folded; empty names are left out."""
    lists = ontology.table["aliases"].combine_chunks()
    rows = np.concatenate([np.arange(len(ontology)), np.asarray(pc.list_parent_indices(lists))])
    texts = pa.concat_arrays([ontology.table["name"].combine_chunks(), pc.list_flatten(lists)])
    folded = pc.replace_substring_regex(pc.utf8_trim_whitespace(pc.utf8_lower(pc.fill_null(texts, ""))), r"\s+", " ")
    named = np.asarray(pc.greater(pc.binary_length(folded), 0))
    return rows[named], folded.filter(pa.array(named))


def _ids(ontology: Ontology) -> Iterator[Finding]:
    ids = ontology.table["concept_id"]
    for what, pattern in (
        ("ids with white space", r"\s"),
        ("ids with a character that separates ids (| + ; ,)", r"[|+;,]"),
    ):
        found = ids.filter(pc.match_substring_regex(ids, pattern))
        finding = Finding(what)
        finding.add((repr(value.as_py()) for value in found.slice(0, EXAMPLES)), len(found))
        yield finding


def _alternatives(ontology: Ontology) -> Iterator[Finding]:
    own, shared = (
        Finding("alternative ids that are another concept's own id"),
        Finding("alternative ids that several concepts have"),
    )
    lists = ontology.table["alt_ids"].combine_chunks()
    parents, alternatives = np.asarray(pc.list_parent_indices(lists)), pc.list_flatten(lists)
    ids = ontology.table["concept_id"]
    canonical = np.asarray(pc.fill_null(pc.index_in(alternatives, value_set=ids.combine_chunks()), -1))
    clashing = np.flatnonzero((canonical >= 0) & (canonical != parents))
    own.add(
        (f"{alternatives[i].as_py()} of {ids[int(parents[i])].as_py()}" for i in clashing[:EXAMPLES].tolist()),
        len(clashing),
    )
    counted = pc.value_counts(alternatives)
    several = counted.filter(pc.greater(pc.struct_field(counted, "counts"), 1))
    shared.add(
        (pc.struct_field(several, "values")[i].as_py() for i in range(min(EXAMPLES, len(several)))), len(several)
    )
    yield from (own, shared)


def _parents(ontology: Ontology) -> Iterator[Finding]:
    absent, cycles = Finding("parents that aren't in the ontology"), Finding("concepts that are their own ancestors")
    lists = ontology.table["parents"].combine_chunks()
    children = np.asarray(pc.list_parent_indices(lists))
    named = pc.list_flatten(lists).to_pylist()
    ids = ontology.table["concept_id"]
    rows = ontology.indices(named)
    unknown = np.flatnonzero(rows < 0)
    absent.add((f"{named[i]} of {ids[int(children[i])].as_py()}" for i in unknown[:EXAMPLES].tolist()), len(unknown))
    circular = _in_cycles(children[rows >= 0], rows[rows >= 0], len(ontology))
    cycles.add((ids[row].as_py() for row in circular[:EXAMPLES].tolist()), len(circular))
    yield from (absent, cycles)


def _in_cycles(children: np.ndarray, parents: np.ndarray, size: int) -> np.ndarray:
    """Return the rows that are their own ancestors: strongly connected components of several, and loops."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    if not len(children):
        return np.zeros(0, np.int64)
    graph = csr_matrix((np.ones(len(children), np.int8), (children, parents)), shape=(size, size))
    _, component = connected_components(graph, directed=True, connection="strong")
    large = np.bincount(component)[component] > 1
    large[children[children == parents]] = True
    return np.flatnonzero(large)
