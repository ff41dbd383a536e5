r"""The UMLS Metathesaurus (a release's META directory of `.RRF` files) as an ontology.

Layout: https://www.ncbi.nlm.nih.gov/books/NBK9685/ - columns end with `|`. `MRCONSO` has a row for each name of a
concept, `MRDEF` its definitions, `MRSTY` its semantic types, `MRCUI` the ids that earlier releases had. The first three
are sorted by CUI and are read side by side, so that memory grows by what is kept alone: about 850 bytes a concept.
A release needs a licence of NLM's: https://www.nlm.nih.gov/databases/umls.html
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated

from raybel.config import FilePath, Option, Words, configuration
from raybel.errors import ConfigError, InputError
from raybel.files import storage
from raybel.ontology import SUFFIXES, Concept, Ontology
from raybel.prepare import lists
from raybel.prepare.common import find, lines, missing

#: File -> its columns.
COLUMNS = {
    "MRCONSO.RRF": (
        *("CUI", "LAT", "TS", "LUI", "STT", "SUI", "ISPREF", "AUI", "SAUI"),
        *("SCUI", "SDUI", "SAB", "TTY", "CODE", "STR", "SRL", "SUPPRESS", "CVF"),
    ),
    "MRDEF.RRF": ("CUI", "AUI", "ATUI", "SATUI", "SAB", "DEF", "SUPPRESS", "CVF"),
    "MRSTY.RRF": ("CUI", "TUI", "STN", "STY", "ATUI", "CVF"),
    "MRCUI.RRF": ("CUI1", "VER", "REL", "RELA", "MAPREASON", "CUI2", "MAPIN"),
}
_PLACE = {name: {column: i for i, column in enumerate(columns)} for name, columns in COLUMNS.items()}
_CUI = re.compile(r"C\d{7}")
_TUI = re.compile(r"T\d{3}")
#: What the column may hold; text in it says that the columns are shifted.
_SUPPRESS = ("", "N", "O", "E", "Y")
_BAR = re.compile(r"(?<!\\)\|")
_NAMELESS = "without a name that is kept"
_REASONS = ("in another language", "of another source", "suppressed")


@configuration
class UmlsConfig:
    """What to read of a release of UMLS."""

    umls: Annotated[FilePath, Option("A release's META directory: MRCONSO.RRF etc. (or .gz).", "DIR")]
    out: Annotated[FilePath, Option("Where to write the ontology (.arrow, .parquet, .json.gz).", "FILE")]
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
        if not storage.name_of(self.out).endswith(SUFFIXES):
            raise ConfigError(f"{self.out}: an ontology's name must end in {', '.join(SUFFIXES)}")
        if wrong := [one for one in self.semantic_types if not _TUI.fullmatch(one)]:
            raise ConfigError(f"semantic types are named as T047, not {', '.join(wrong)}")


@dataclass
class UmlsSummary:
    """What was read.

    Args:
        ontology: `Ontology.stats()`.
        names: Rows of `MRCONSO`, and those left out by reason.
        concepts: Concepts left out by reason.
        notes: What a person should know.
    """

    ontology: dict[str, int]
    names: Counter[str] = field(default_factory=Counter)
    concepts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


def prepare_umls(config: UmlsConfig, say: Callable[[str], None] = lambda line: None) -> UmlsSummary:
    """Read a release and write the ontology; `say` gets a line when a longer step begins.

    A concept's name is the preferred one of UMLS (TS, STT and ISPREF, in this order) among those kept in the first
    language that it has, its aliases the other distinct ones, its definition the first of a name that is kept, its
    types the TUIs. Ids that earlier releases had are alternative ids. A concept without a name in these languages is
    left out and counted; more languages keep it (MedMentions has a few that UMLS names in other languages alone).

    Raises:
        InputError: A file is missing, cut off, has other columns, or isn't sorted; nothing is kept.
        ConfigError: The output can't be written.
    """
    paths = {name: find(config.umls, (name, f"{name}.gz")) for name in COLUMNS}
    if paths["MRCONSO.RRF"] is None:
        parts = storage.exists(storage.join(config.umls, "MRCONSO.RRF.aa.gz"))
        how = "; join its parts: cat MRCONSO.RRF.??.gz > MRCONSO.RRF.gz, and the other files' too" if parts else ""
        raise InputError(missing(config.umls, ("MRCONSO.RRF", "MRCONSO.RRF.gz")) + how, path=config.umls)
    if paths["MRSTY.RRF"] is None and config.semantic_types:
        raise InputError("has no MRSTY.RRF(.gz), which --semantic-types needs", path=config.umls)
    summary = UmlsSummary({})
    lacking = {"MRDEF.RRF": "definitions", "MRSTY.RRF": "semantic types", "MRCUI.RRF": "ids of earlier releases"}
    summary.notes += [f"no {name}: no {what}" for name, what in lacking.items() if paths[name] is None]
    earlier = _earlier(paths["MRCUI.RRF"])
    say(f"reading {config.umls}")
    ontology = Ontology.from_concepts(_concepts(config, paths, earlier, summary), config.umls)
    if not len(ontology):
        raise InputError(
            "holds no concept that is to be kept: are languages, sources and types of it?", path=config.umls
        )
    say(f"writing {config.out}")
    ontology.save(config.out)
    summary.ontology = ontology.stats()
    return summary


def _concepts(
    config: UmlsConfig, paths: dict[str, str | None], earlier: dict[str, list[str]], summary: UmlsSummary
) -> Iterator[Concept]:
    definitions, types = _Beside("MRDEF.RRF", paths["MRDEF.RRF"]), _Beside("MRSTY.RRF", paths["MRSTY.RRF"])
    at = _PLACE["MRCONSO.RRF"]
    nameless: list[str] = []
    seen: dict[str, set[str]] = {"languages": set(), "sources": set()}
    for cui, rows in _grouped("MRCONSO.RRF", str(paths["MRCONSO.RRF"])):
        names: list[tuple[tuple[int, bool, bool, bool], str]] = []
        dropped: set[str] = set()
        for row in rows:
            summary.names["rows"] += 1
            seen["languages"].add(row[at["LAT"]])
            seen["sources"].add(row[at["SAB"]])
            reason = _reason(config, row, at)
            if reason is None and row[at["STR"]].strip():
                preferred = (row[at["TS"]] != "P", row[at["STT"]] != "PF", row[at["ISPREF"]] != "Y")
                names.append(((config.languages.index(row[at["LAT"]]), *preferred), row[at["STR"]]))
            else:
                summary.names[reason or "empty"] += 1
                dropped.add(row[at["AUI"]])
        own = [row[_PLACE["MRSTY.RRF"]["TUI"]] for row in types.of(cui)]
        definition = _definition(definitions.of(cui), dropped, config.keep_suppressed)
        if not names:
            summary.concepts[_NAMELESS] += 1
            if len(nameless) < lists.SHOWN:
                nameless.append(cui)
        elif config.semantic_types and not set(own) & set(config.semantic_types):
            summary.concepts["of other semantic types"] += 1
        else:
            ordered = [name for _, name in sorted(names, key=lambda each: each[0])]
            yield Concept(cui, ordered[0], ordered[1:], definition, own, earlier.pop(cui, []))
    summary.notes += lists.listed(nameless, "concepts have no name that is kept", summary.concepts[_NAMELESS])
    for beside in (definitions, types):
        beside.finish(summary.notes)
    for what, asked in (("languages", config.languages), ("sources", config.sources)):
        absent = [one for one in asked if one not in seen[what]]
        summary.notes += lists.listed(absent, f"of the {what} asked for are in no row of MRCONSO.RRF")


def _reason(config: UmlsConfig, row: list[str], at: dict[str, int]) -> str | None:
    """Why a name is left out, None for one that is kept."""
    if row[at["LAT"]] not in config.languages:
        return _REASONS[0]
    if config.sources and row[at["SAB"]] not in config.sources:
        return _REASONS[1]
    return _REASONS[2] if row[at["SUPPRESS"]] in "OEY" and not config.keep_suppressed and row[at["SUPPRESS"]] else None


def _definition(rows: list[list[str]], dropped: set[str], keep_suppressed: bool) -> str:
    """The first definition that isn't empty, suppressed, or of a name that was left out."""
    at = _PLACE["MRDEF.RRF"]
    for row in rows:
        kept = keep_suppressed or row[at["SUPPRESS"]] not in ("O", "E", "Y")
        if kept and row[at["AUI"]] not in dropped and row[at["DEF"]].strip():
            return row[at["DEF"]].strip()
    return ""


def _earlier(path: str | None) -> dict[str, list[str]]:
    """Ids of earlier releases by the concept that they became; those that became several or none are left out."""
    if path is None:
        return {}
    at = _PLACE["MRCUI.RRF"]
    became: dict[str, set[str]] = {}
    for _, row in _rows("MRCUI.RRF", path):
        if row[at["REL"]] == "SY" and row[at["CUI2"]]:
            became.setdefault(row[at["CUI1"]], set()).add(row[at["CUI2"]])
    found: dict[str, list[str]] = {}
    for old, new in sorted(became.items()):
        if len(new) == 1:
            found.setdefault(new.pop(), []).append(old)
    return found


def _rows(name: str, path: str) -> Iterator[tuple[int, list[str]]]:
    r"""Yield (line number, columns) of a file; a bar that stands in a column is written `\|`.

    Raises:
        InputError: A row has other columns.
    """
    wanted, suppress = len(COLUMNS[name]) + 1, _PLACE[name].get("SUPPRESS")  # each column ends with a bar
    for number, line in lines(path):
        row = line.split("|")
        whole = len(row) == wanted and (suppress is None or row[suppress] in _SUPPRESS)
        if not whole and "\\|" in line:  # in a row that is whole, a backslash is a column's own last character
            row = [column.replace("\\|", "|") for column in _BAR.split(line)]
        if len(row) != wanted or row[-1]:
            if not line.strip():
                raise InputError(f"line {number}: is empty", path=path)
            found = (
                f"{len(row) - 1} columns, {name} has {wanted - 1}" if len(row) != wanted else "text after the last bar"
            )
            raise InputError(f"line {number}: {found} (is the file cut off, or another one?): {line[:80]!r}", path=path)
        yield number, row


def _grouped(name: str, path: str) -> Iterator[tuple[str, list[list[str]]]]:
    """Yield (CUI, its rows) of a file that is sorted by CUI.

    Raises:
        InputError: A row has other columns or no CUI, or the file isn't sorted.
    """
    last, held = "", list[list[str]]()
    for number, row in _rows(name, path):
        cui = row[0]
        if cui != last:
            if not _CUI.fullmatch(cui):
                raise InputError(f"line {number}: {cui[:20]!r} is no CUI", path=path)
            if cui < last:
                raise InputError(f"line {number}: {cui} after {last}: releases are sorted by CUI; sort it", path=path)
            if held:
                yield last, held
            last, held = cui, []
        held.append(row)
    if held:
        yield last, held


class _Beside:
    """A file that is read beside MRCONSO, concept by concept."""

    def __init__(self, name: str, path: str | None) -> None:
        self.name, self.groups = name, iter(()) if path is None else _grouped(name, path)
        self.next = next(self.groups, None)
        self.without = 0

    def of(self, cui: str) -> list[list[str]]:
        """Return a concept's rows; concepts are asked for in their order."""
        while self.next is not None and self.next[0] < cui:
            self.without += 1
            self.next = next(self.groups, None)
        if self.next is None or self.next[0] != cui:
            return []
        rows = self.next[1]
        self.next = next(self.groups, None)
        return rows

    def finish(self, notes: list[str]) -> None:
        """Note concepts that MRCONSO doesn't have."""
        while self.next is not None:
            self.without += 1
            self.next = next(self.groups, None)
        if self.without:
            notes.append(f"{self.without:,} concepts of {self.name} are not in MRCONSO.RRF")
