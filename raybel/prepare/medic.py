"""MEDIC, CTD's disease vocabulary (`CTD_diseases.tsv.gz` or `.csv.gz`), as an ontology.

Layout: https://ctdbase.org/downloads/ - comment lines that start with `#`, then rows, with tabs between their cells or,
in CSV, commas; lists within a column are separated by `|`. The columns are named by the comment line that follows
`# Fields:`; a file without one is taken to have the columns of CTD's releases, nine since `SlimMappings` was added and
eight before.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from typing import Annotated

from raybel.config import FilePath, Option, configuration
from raybel.errors import InputError
from raybel.files import kinds
from raybel.ontology import Concept, Ontology
from raybel.prepare.common import build_ontology, plain_id, read_lines
from raybel.prepare.outputs import OntologyOut, write_ontology

COLUMNS = (
    "DiseaseName",
    "DiseaseID",
    "AltDiseaseIDs",
    "Definition",
    "ParentIDs",
    "TreeNumbers",
    "ParentTreeNumbers",
    "Synonyms",
    "SlimMappings",
)
_REQUIRED = ("DiseaseName", "DiseaseID", "AltDiseaseIDs", "Definition", "Synonyms")

#: An option of every command that reads it.
CtdMedicDiseases = Annotated[FilePath, Option("MEDIC: CTD_diseases.tsv or .csv (or .gz).", "FILE")]


@configuration
class MedicConfig:
    """Where MEDIC is, and where to write the ontology."""

    ctd_medic_diseases: CtdMedicDiseases
    out: OntologyOut


def prepare_medic(config: MedicConfig, say: Callable[[str], None] = lambda line: None) -> dict[str, int]:
    """Write MEDIC as an ontology, and return `summary.counts_of` it; `say` gets a line when a longer step begins.

    Raises:
        InputError: See `read_ontology`.
    """
    say(f"reading {config.ctd_medic_diseases}")
    return write_ontology(read_ontology(config.ctd_medic_diseases), config.out, say)


def read_ontology(path: str) -> Ontology:
    """Read MEDIC; ids and alternative ids lose `MESH:` and keep other prefixes (`D003924`, `OMIM:600000`).

    A row without a name takes its first synonym as its name. `ParentIDs` and `TreeNumbers` are read if there are
    such columns; `ParentTreeNumbers` and `SlimMappings` aren't.

    Args:
        path: `CTD_diseases.tsv` or `.csv`, plain or gzipped; the content decides.

    Raises:
        InputError: Columns that aren't CTD's, a row of another length, an id that is empty or appears twice (lines
            are named); no rows; not UTF-8; cut off.
    """
    kinds.expect(path, "MEDIC", kinds.MEDIC, *kinds.TABLES.values())
    return build_ontology(_rows(path), path)


def _rows(path: str) -> Iterator[tuple[str, Concept]]:
    header: tuple[str, ...] | None = None
    header_line = 0
    announced = started = False
    separator = ""  # as the header has it, or the first row where there is none
    for number, line in read_lines(path):
        # Once the columns are known, a name that starts with `#` is a name.
        if not line.strip() or (line.startswith("#") and not (header and separator in line)):
            text = line.removeprefix("#").strip()
            if announced and text:
                separator = _separator(text)
                header, header_line = _header(_cells(text, separator, path, number), path, number), number
                announced = False
            announced = announced or text.rstrip(":").lower() == "fields"
            continue
        separator = separator or _separator(line)
        cells = _cells(line, separator, path, number)
        if cells[0] == COLUMNS[0] and not started:
            header, header_line, started = _header(cells, path, number), number, True
            continue
        started = True
        if header is None:
            if not len(COLUMNS) - 1 <= len(cells) <= len(COLUMNS):
                raise InputError(
                    f"line {number}: expected {len(COLUMNS)} columns (8 in old releases): "
                    f"{', '.join(COLUMNS)}; found {len(cells)}: {_quoted(cells)}",
                    path=path,
                )
            header, header_line = COLUMNS[: len(cells)], number
        if len(cells) != len(header):
            raise InputError(
                f"line {number}: expected {len(header)} columns as in line {header_line}; "
                f"found {len(cells)}: {_quoted(cells)}",
                path=path,
            )
        yield f"line {number}", _concept(dict(zip(header, cells, strict=True)))


def _separator(line: str) -> str:
    """What separates a line's cells: names have commas, but no tabs."""
    return "\t" if "\t" in line else ","


def _cells(line: str, separator: str, path: str, number: int) -> list[str]:
    """The cells of a row; with tabs, quotation marks are a name's own."""
    if separator == "\t":
        return line.split(separator)
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error as error:
        raise InputError(f"line {number}: isn't CSV ({error}): {line[:60]!r}", path=path) from error


def _header(names: list[str], path: str, number: int) -> tuple[str, ...]:
    header = tuple(name.strip() for name in names)
    if any(header.count(name) != 1 for name in _REQUIRED):
        raise InputError(
            f"line {number}: the columns should include {', '.join(_REQUIRED)} once each; found {_quoted(names)}",
            path=path,
        )
    return header


def _concept(row: dict[str, str]) -> Concept:
    concept_id = plain_id(row["DiseaseID"])
    alternatives = _ids(row["AltDiseaseIDs"])
    return Concept(
        concept_id,
        row["DiseaseName"].strip(),
        row["Synonyms"].split("|"),
        row["Definition"].strip(),
        alt_ids=[alternative for alternative in alternatives if alternative != concept_id],
        parents=_ids(row.get("ParentIDs", "")),
        tree_numbers=[number.strip() for number in row.get("TreeNumbers", "").split("|") if number.strip()],
    )


def _ids(cell: str) -> list[str]:
    return [concept_id for concept_id in dict.fromkeys(map(plain_id, cell.split("|"))) if concept_id]


def _quoted(cells: list[str]) -> str:
    """The first cells of a row, shortened, for a message."""
    shown = [repr(cell if len(cell) <= 30 else cell[:27] + "...") for cell in cells[:10]]
    return ", ".join(shown) + (", ..." if len(cells) > 10 else "")
