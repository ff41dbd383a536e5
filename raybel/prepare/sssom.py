"""Mappings between ontologies as SSSOM: which ids mean exactly the same.

Layout: https://mapping-commons.github.io/sssom/spec-formats-tsv/ - comment lines that start with `#` and hold YAML, of
which `curie_map` says what prefixes stand for; then a table with tabs, or with commas, whose first row names the
columns. Files are read as streams.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator
from typing import NamedTuple

import yaml

from raybel.errors import InputError
from raybel.ontology import BARE_PREFIXES
from raybel.prepare.common import read_lines
from raybel.prepare.curies import compact, id_key

#: Predicates of exact mappings, as `compact` with its prefix in lower case gives them.
EXACT = ("skos:exactMatch", "owl:equivalentClass")
_COLUMNS = ("subject_id", "predicate_id", "object_id")
#: IRIs that a file may use without declaring them.
_BUILT_IN = {"skos": "http://www.w3.org/2004/02/skos/core#", "owl": "http://www.w3.org/2002/07/owl#"}
#: Stands where there is no term to map to.
_NO_TERM = "sssom:notermfound"
#: Lines of comment that are kept to find the `curie_map`; more are no header.
MAX_HEADER = 10_000


class Mapping(NamedTuple):
    """An exact mapping: the keys (`curies.id_key`) of two ids that mean the same."""

    subject: str
    object: str


def read_exact(path: str, bare_prefixes: Collection[str] = BARE_PREFIXES) -> Iterator[Mapping]:
    """Yield the exact mappings of a file (tabs or commas, plain or gzipped), memory for one at a time.

    Those with `predicate_modifier` Not, with another predicate, or to no term are left out.

    Args:
        path: The file; columns beside the three that are needed, and their order, don't matter.
        bare_prefixes: See `curies.id_key`.

    Raises:
        InputError: Columns are missing, a row has another length or no id (the line is named); a `curie_map` that isn't
            one; not UTF-8; cut off.
    """
    lines = read_lines(path)
    curie_map, number, header = _header(path, lines)
    separator = "\t" if "\t" in header else ","
    columns = [name.strip().strip('"') for name in header.split(separator)]
    if missing := [name for name in _COLUMNS if columns.count(name) != 1]:
        raise InputError(
            f"line {number}: isn't SSSOM: the column {missing[0]} should be there once: {', '.join(columns)[:120]}",
            path=path,
        )
    subject, predicate, object_ = (columns.index(name) for name in _COLUMNS)
    modifier = columns.index("predicate_modifier") if "predicate_modifier" in columns else None
    rows = _cells(path, lines, separator, number)
    for number, cells in rows:
        if len(cells) != len(columns):
            raise InputError(f"line {number}: has {len(cells)} columns, the header {len(columns)}", path=path)
        if modifier is not None and cells[modifier].strip():
            continue
        kind = compact(cells[predicate], curie_map)
        prefix, _, local = kind.partition(":")
        if f"{prefix.lower()}:{local}" not in EXACT:
            continue
        ids = [cells[subject].strip(), cells[object_].strip()]
        if not all(ids):
            raise InputError(f"line {number}: has no {_COLUMNS[0] if not ids[0] else _COLUMNS[2]}", path=path)
        if _NO_TERM not in (each.lower() for each in ids):
            yield Mapping(*(id_key(each, curie_map, bare_prefixes) for each in ids))


def _cells(path: str, lines: Iterator[tuple[int, str]], separator: str, header: int) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of the rows that follow the header."""
    if separator == "\t":  # quotes in labels needn't be balanced there, and no cell spans lines
        for number, line in lines:
            if line.strip():
                yield number, [_unquoted(cell) for cell in line.split("\t")]
        return
    reader = csv.reader((line + "\n" for _, line in lines), strict=True)
    try:
        for cells in reader:
            if cells:
                yield header + reader.line_num, cells
    except csv.Error as error:
        raise InputError(f"line {header + reader.line_num}: isn't CSV: {error}", path=path) from error


def _unquoted(cell: str) -> str:
    plain = cell.strip()
    return plain[1:-1] if len(plain) > 1 and plain[0] == plain[-1] == '"' else plain


def _header(path: str, lines: Iterator[tuple[int, str]]) -> tuple[dict[str, str], int, str]:
    """Return the prefixes that a file declares, and the line with its columns: number and text."""
    comments: list[str] = []
    for number, line in lines:
        if line.startswith("#"):
            comments.append(line.removeprefix("#"))
            if number > MAX_HEADER:
                raise InputError(f"isn't SSSOM: more than {MAX_HEADER:,} lines of comment", path=path)
        elif line.strip():
            return {**_BUILT_IN, **_curie_map(path, comments)}, number, line
    raise InputError("is empty: SSSOM has a row with the columns' names", path=path)


def _curie_map(path: str, comments: list[str]) -> dict[str, str]:
    """Read the block of `curie_map` alone: other comments are often no YAML."""
    start = next((place for place, line in enumerate(comments) if line.strip().startswith("curie_map:")), None)
    if start is None:
        return {}
    indent = _indent(comments[start])
    end = start + 1
    while end < len(comments) and (not comments[end].strip() or _indent(comments[end]) > indent):
        end += 1
    if any("<<:" in line for line in comments[start:end]):  # merged again and again, a few lines fill the memory
        raise InputError(f"line {start + 1}: the curie_map merges keys (`<<`): write each prefix out", path=path)
    block = "\n".join(line[indent:] for line in comments[start:end])
    try:
        value = yaml.safe_load(block)["curie_map"]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"line {start + 1}: the curie_map isn't YAML: {error}", path=path) from error
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(iri, str) for iri in value.values()):
        raise InputError(f"line {start + 1}: the curie_map must hold an IRI for each prefix", path=path)
    return {str(prefix): iri for prefix, iri in value.items()}


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
