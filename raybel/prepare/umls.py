r"""The UMLS Metathesaurus (a release's META directory of `.RRF` files) as an ontology.

Layout: https://www.ncbi.nlm.nih.gov/books/NBK9685/ - columns end with `|`. `MRCONSO` has a row for each name of a
concept, `MRDEF` its definitions, `MRSTY` its semantic types, `MRCUI` the ids that earlier releases had. The first three
are sorted by CUI and are read side by side, so that memory grows only with the ontology: about 850 bytes a concept.
A release needs a licence of NLM's: https://www.nlm.nih.gov/databases/umls.html
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated

from raybel.config import FilePath, Option, Words, configuration
from raybel.display import counted
from raybel.errors import ConfigError, InputError
from raybel.files import storage
from raybel.ontology import Concept, Ontology
from raybel.prepare import lists
from raybel.prepare.cleaning import NameCleaner
from raybel.prepare.common import find_file, missing_message, read_lines
from raybel.prepare.outputs import OntologyOut, write_ontology

#: The columns of each file.
COLUMNS = {
    "MRCONSO.RRF": (
        *("CUI", "LAT", "TS", "LUI", "STT", "SUI", "ISPREF", "AUI", "SAUI"),
        *("SCUI", "SDUI", "SAB", "TTY", "CODE", "STR", "SRL", "SUPPRESS", "CVF"),
    ),
    "MRDEF.RRF": ("CUI", "AUI", "ATUI", "SATUI", "SAB", "DEF", "SUPPRESS", "CVF"),
    "MRSTY.RRF": ("CUI", "TUI", "STN", "STY", "ATUI", "CVF"),
    "MRCUI.RRF": ("CUI1", "VER", "REL", "RELA", "MAPREASON", "CUI2", "MAPIN"),
}
_COLUMN_INDEX = {name: {column: i for i, column in enumerate(columns)} for name, columns in COLUMNS.items()}
_CUI = re.compile(r"C\d{7}")
_TUI = re.compile(r"T\d{3}")
#: Values of the column SUPPRESS; any other one says that the columns are shifted.
_SUPPRESS_VALUES = ("", "N", "O", "E", "Y")
#: Those of names and definitions that are suppressed.
_SUPPRESSING = ("O", "E", "Y")
_BAR = re.compile(r"(?<!\\)\|")
#: Why names and concepts are left out.
_OTHER_LANGUAGE, _OTHER_SOURCE, _SUPPRESSED = "in another language", "of another source", "suppressed"
_NAMELESS, _OTHER_TYPES = "without a name that is kept", "of other semantic types"


@configuration
class UmlsConfig:
    """What to read from a release of UMLS, and where to write it."""

    umls: Annotated[FilePath, Option("A release's META directory: MRCONSO.RRF etc. (or .gz).", "DIR")]
    out: OntologyOut
    languages: Annotated[
        Words, Option("Of names, with commas between; a concept is called by its name in the first.", "ENG,SPA...")
    ] = ("ENG",)
    sources: Annotated[
        Words, Option("Vocabularies whose names count (MSH, SNOMEDCT_US ...), with commas between.", "SAB,...", "all")
    ] = ()
    semantic_types: Annotated[
        Words, Option("Concepts with one of these are kept (T047 ...), with commas between.", "TUI,...", "all")
    ] = ()
    keep_suppressed: Annotated[bool, Option("Keep names that are obsolete or suppressed.")] = False

    def __post_init__(self) -> None:
        if not self.languages:
            raise ConfigError("give at least one language, such as ENG")
        if wrong := [name for name in self.semantic_types if not _TUI.fullmatch(name)]:
            raise ConfigError(f"semantic types have names like T047, not {', '.join(wrong)}")


@dataclass
class UmlsSummary:
    """The outcome of a preparation of UMLS.

    Args:
        ontology: `summary.counts_of` the ontology.
        names: The number of rows of `MRCONSO`, and of names left out by reason.
        concepts: The number of concepts left out by reason.
        notes: What a person should know: missing files, concepts without a name.
    """

    ontology: dict[str, int]
    names: Counter[str] = field(default_factory=Counter)
    concepts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


def prepare_umls(config: UmlsConfig, say: Callable[[str], None] = lambda line: None) -> UmlsSummary:
    """Read a release and write the ontology; `say` gets a line when a longer step begins.

    A concept's name is the preferred one of UMLS (TS, STT and ISPREF, in this order) among its names in the first
    language that has any, its aliases the other distinct ones, its definition the first one of a name that is kept, its
    types the TUIs. Ids that earlier releases had are alternative ids. A concept without a name in these languages is
    left out and counted; more languages keep it (MedMentions has a few that UMLS names in other languages alone).

    Raises:
        InputError: A file is missing, cut off, has other columns, or isn't sorted; or no concept is to be kept.
        ConfigError: The output can't be written.
    """
    paths = {name: find_file(config.umls, (name, f"{name}.gz")) for name in COLUMNS}
    if paths["MRCONSO.RRF"] is None:
        message = missing_message(config.umls, ("MRCONSO.RRF", "MRCONSO.RRF.gz"))
        if storage.exists(storage.join(config.umls, "MRCONSO.RRF.aa.gz")):
            message += "; join its parts: cat MRCONSO.RRF.??.gz > MRCONSO.RRF.gz, and those of the other files"
        raise InputError(message, path=config.umls)
    if paths["MRSTY.RRF"] is None and config.semantic_types:
        raise InputError("has no MRSTY.RRF(.gz), which --semantic-types needs", path=config.umls)
    summary = UmlsSummary({})
    optional = {"MRDEF.RRF": "definitions", "MRSTY.RRF": "semantic types", "MRCUI.RRF": "ids of earlier releases"}
    summary.notes += [f"no {name}: no {content}" for name, content in optional.items() if paths[name] is None]
    earlier_ids = _earlier_ids(paths["MRCUI.RRF"])
    say(f"reading {config.umls}")
    # A release has each name in a row of its own, and concepts such as None (C0549184).
    cleaner = NameCleaner(joined=False, nulls=False)
    concepts = cleaner.cleaned(_concepts(config, paths, earlier_ids, summary))
    ontology = cleaner.finished(Ontology.from_concepts(concepts, config.umls))
    if not len(ontology):
        raise InputError(
            "holds no concept that is to be kept: does it have these languages, sources and types?", path=config.umls
        )
    summary.ontology = write_ontology(ontology, config.out, say)
    return summary


def _concepts(
    config: UmlsConfig, paths: dict[str, str | None], earlier_ids: dict[str, list[str]], summary: UmlsSummary
) -> Iterator[Concept]:
    """Yield the concepts that are kept; `summary` counts and notes what is left out."""
    definitions = _SideFile("MRDEF.RRF", paths["MRDEF.RRF"])
    types = _SideFile("MRSTY.RRF", paths["MRSTY.RRF"])
    column = _COLUMN_INDEX["MRCONSO.RRF"]
    nameless: list[str] = []
    seen: dict[str, set[str]] = {"language": set(), "source": set()}
    for cui, rows in _grouped("MRCONSO.RRF", str(paths["MRCONSO.RRF"])):
        names: list[tuple[tuple[int, bool, bool, bool], str]] = []
        dropped: set[str] = set()
        for row in rows:
            summary.names["rows"] += 1
            seen["language"].add(row[column["LAT"]])
            seen["source"].add(row[column["SAB"]])
            reason = _reason(config, row)
            if reason is None and row[column["STR"]].strip():
                preference = (row[column["TS"]] != "P", row[column["STT"]] != "PF", row[column["ISPREF"]] != "Y")
                names.append(((config.languages.index(row[column["LAT"]]), *preference), row[column["STR"]]))
            else:
                summary.names[reason or "empty"] += 1
                dropped.add(row[column["AUI"]])
        tuis = [row[_COLUMN_INDEX["MRSTY.RRF"]["TUI"]] for row in types.rows_of(cui)]
        definition = _definition(definitions.rows_of(cui), dropped, config.keep_suppressed)
        if not names:
            summary.concepts[_NAMELESS] += 1
            if len(nameless) < lists.MAX_NOTED:
                nameless.append(cui)
        elif config.semantic_types and not set(tuis) & set(config.semantic_types):
            summary.concepts[_OTHER_TYPES] += 1
        else:
            ordered = [name for _, name in sorted(names, key=lambda ranked: ranked[0])]
            yield Concept(cui, ordered[0], ordered[1:], definition, tuis, earlier_ids.pop(cui, []))
    summary.notes += lists.note_ids(nameless, "concept", _NAMELESS, summary.concepts[_NAMELESS])
    for side_file in (definitions, types):
        summary.notes += side_file.finish()
    for noun, requested in (("language", config.languages), ("source", config.sources)):
        absent = [name for name in requested if name not in seen[noun]]
        summary.notes += lists.note_ids(absent, f"requested {noun}", "in no row of MRCONSO.RRF")


def _reason(config: UmlsConfig, row: list[str]) -> str | None:
    """Why the name in a row of MRCONSO is left out, None for one that is kept."""
    column = _COLUMN_INDEX["MRCONSO.RRF"]
    if row[column["LAT"]] not in config.languages:
        return _OTHER_LANGUAGE
    if config.sources and row[column["SAB"]] not in config.sources:
        return _OTHER_SOURCE
    return None if config.keep_suppressed or row[column["SUPPRESS"]] not in _SUPPRESSING else _SUPPRESSED


def _definition(rows: list[list[str]], dropped: set[str], keep_suppressed: bool) -> str:
    """The first definition that isn't empty, suppressed, or of a name that was left out; "" if there is none."""
    column = _COLUMN_INDEX["MRDEF.RRF"]
    for row in rows:
        suppressed = not keep_suppressed and row[column["SUPPRESS"]] in _SUPPRESSING
        if not suppressed and row[column["AUI"]] not in dropped and row[column["DEF"]].strip():
            return row[column["DEF"]].strip()
    return ""


def _earlier_ids(path: str | None) -> dict[str, list[str]]:
    """Ids of earlier releases by the concept that they became; those that became several or none are left out."""
    if path is None:
        return {}
    column = _COLUMN_INDEX["MRCUI.RRF"]
    successors: dict[str, set[str]] = {}
    for _, row in _rows("MRCUI.RRF", path):
        if row[column["REL"]] == "SY" and row[column["CUI2"]]:
            successors.setdefault(row[column["CUI1"]], set()).add(row[column["CUI2"]])
    earlier_ids: dict[str, list[str]] = {}
    for earlier_id, cuis in sorted(successors.items()):
        if len(cuis) == 1:
            earlier_ids.setdefault(cuis.pop(), []).append(earlier_id)
    return earlier_ids


def _rows(name: str, path: str) -> Iterator[tuple[int, list[str]]]:
    r"""Yield (line number, columns) of a file; a bar within a column is written `\|`.

    Raises:
        InputError: A row has other columns.
    """
    length, suppress = len(COLUMNS[name]) + 1, _COLUMN_INDEX[name].get("SUPPRESS")  # each column ends with a bar
    for number, line in read_lines(path):
        row = line.split("|")
        whole = len(row) == length and (suppress is None or row[suppress] in _SUPPRESS_VALUES)
        if not whole and "\\|" in line:  # in a row that is whole, a backslash is a column's own last character
            row = [column.replace("\\|", "|") for column in _BAR.split(line)]
        if len(row) != length or row[-1]:
            if not line.strip():
                raise InputError(f"line {number}: is empty", path=path)
            damage = f"{len(row) - 1} columns, {name} has {length - 1}"
            if len(row) == length:
                damage = "text after the last bar"
            raise InputError(
                f"line {number}: {damage} (is the file cut off, or another one?): {line[:80]!r}", path=path
            )
        yield number, row


def _grouped(name: str, path: str) -> Iterator[tuple[str, list[list[str]]]]:
    """Yield (CUI, its rows) of a file that is sorted by CUI.

    Raises:
        InputError: A row has other columns or no CUI, or the file isn't sorted.
    """
    last, group = "", list[list[str]]()
    for number, row in _rows(name, path):
        cui = row[0]
        if cui != last:
            if not _CUI.fullmatch(cui):
                raise InputError(f"line {number}: {cui[:20]!r} isn't a CUI", path=path)
            if cui < last:
                raise InputError(f"line {number}: {cui} after {last}: releases are sorted by CUI; sort it", path=path)
            if group:
                yield last, group
            last, group = cui, []
        group.append(row)
    if group:
        yield last, group


class _SideFile:
    """A file that is read beside MRCONSO, concept by concept.

    Args:
        name: The file's name in a release.
        path: None where there is none: then no concept has rows.
    """

    def __init__(self, name: str, path: str | None) -> None:
        self.name, self.groups = name, iter(()) if path is None else _grouped(name, path)
        self.next = next(self.groups, None)
        self.unmatched = 0

    def rows_of(self, cui: str) -> list[list[str]]:
        """Return a concept's rows; concepts must be asked for in their order."""
        while self.next is not None and self.next[0] < cui:
            self.unmatched += 1
            self.next = next(self.groups, None)
        if self.next is None or self.next[0] != cui:
            return []
        rows = self.next[1]
        self.next = next(self.groups, None)
        return rows

    def finish(self) -> list[str]:
        """Read to the end; return a note on concepts that MRCONSO lacks, if there are any."""
        while self.next is not None:
            self.unmatched += 1
            self.next = next(self.groups, None)
        return [f"{counted(self.unmatched, 'concept')} of {self.name} not in MRCONSO.RRF"] if self.unmatched else []
