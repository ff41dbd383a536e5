"""`raybel prepare`: official corpora and vocabularies into BioC files and an ontology."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from raybel.cli import tables
from raybel.cli.common import CONTEXT, Commands
from raybel.cli.options import Decorator, options
from raybel.config import configured
from raybel.display import counted, relative
from raybel.prepare.bc5cdr import Bc5cdrConfig, prepare_bc5cdr
from raybel.prepare.biored import BioredConfig, prepare_biored
from raybel.prepare.ids import LINKABLE
from raybel.prepare.medic import MedicConfig, prepare_medic
from raybel.prepare.medmentions import MedMentionsConfig, prepare_medmentions
from raybel.prepare.mesh import MeshConfig, prepare_mesh
from raybel.prepare.ncbi_disease import NcbiDiseaseConfig, prepare_ncbi_disease
from raybel.prepare.nlm_chem import NlmChemConfig, prepare_nlm_chem
from raybel.prepare.obo import OboConfig, prepare_obo
from raybel.prepare.outputs import Outputs
from raybel.prepare.summary import Summary
from raybel.prepare.table import TableConfig, prepare_table
from raybel.prepare.umls import UmlsConfig, prepare_umls

#: How many lines of each split's repeated documents and misplaced mentions, and of the notes, are shown.
MAX_LINES = 10


@click.group(cls=Commands, context_settings=CONTEXT)
def prepare() -> None:
    """Make BioC files and an ontology from a corpus as it is distributed.

    A mention's ids go into the infon `concept_id`: canonical ids of the ontology, several joined by `|`, `-1` for none.
    Where the corpus writes them differently, the infon `source_id` keeps its own text.
    """


def _corpus_options(config_type: type) -> Decorator:
    """Return a decorator that adds a corpus's options, and `--out-dir` for all its outputs."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        text = "Write train, val, test (.bioc.xml.gz) and ontology.arrow into this directory."
        return options(config_type)(click.option("--out-dir", metavar="DIR", help=text)(command))

    return add


@prepare.command("ncbi-disease", context_settings=CONTEXT)
@_corpus_options(NcbiDiseaseConfig)
def ncbi_disease(values: dict[str, Any], out_dir: str | None) -> None:
    """Prepare the NCBI Disease corpus, with MEDIC as its ontology.

    A split whose file isn't there is skipped; an output that isn't asked for isn't written.

    \b
    Example:
      raybel prepare ncbi-disease --ncbidisease-dir NCBI_corpus \\
          --ctd-medic-diseases CTD_diseases.tsv.gz --out-dir data
    """
    show(prepare_ncbi_disease(configured(NcbiDiseaseConfig, values, outputs=_outputs(values, out_dir)), _say))


@prepare.command("bc5cdr", context_settings=CONTEXT)
@_corpus_options(Bc5cdrConfig)
def bc5cdr(values: dict[str, Any], out_dir: str | None) -> None:
    """Prepare the BC5CDR corpus, with MeSH 2015 as its ontology.

    A split whose file isn't there is skipped; an output that isn't asked for isn't written.

    \b
    Example:
      raybel prepare bc5cdr --bc5cdr-dir CDR.Corpus.v010516 --mesh2015-dir mesh2015 --out-dir data
    """
    show(prepare_bc5cdr(configured(Bc5cdrConfig, values, outputs=_outputs(values, out_dir)), _say))


@prepare.command("biored", context_settings=CONTEXT)
@_corpus_options(BioredConfig)
def biored(values: dict[str, Any], out_dir: str | None) -> None:
    """Prepare the BioRED corpus, with MeSH 2015 as its ontology; its diseases and chemicals have ids of MeSH.

    Mentions of other types are left out, unless --mention-types names them: MeSH has no ids for them.

    \b
    Example:
      raybel prepare biored --biored-dir BioRED --mesh2015-dir mesh2015 --out-dir data
    """
    show(prepare_biored(configured(BioredConfig, values, outputs=_outputs(values, out_dir)), _say))


@prepare.command("medmentions", context_settings=CONTEXT)
@_corpus_options(MedMentionsConfig)
def medmentions(values: dict[str, Any], out_dir: str | None) -> None:
    """Prepare MedMentions, the full corpus or ST21pv, split by its lists of PMIDs.

    Its ontology is UMLS, which needs a licence: `raybel prepare umls`; none is written here. The lists of PMIDs,
    corpus_pubtator_pmids_{trng,dev,test}.txt with one PMID in each line, must all be there, or for st21pv/data in the
    full/data beside it.

    \b
    Example:
      raybel prepare medmentions --medmentions-dir MedMentions/st21pv/data --clean --out-dir data
    """
    outputs = _outputs(values, out_dir)
    if "out_ontology" not in values:  # of --out-dir; one that is asked for is refused
        outputs = replace(outputs, out_ontology=None)
    show(prepare_medmentions(configured(MedMentionsConfig, values, outputs=outputs), _say))


@prepare.command("nlm-chem", context_settings=CONTEXT)
@_corpus_options(NlmChemConfig)
def nlm_chem(values: dict[str, Any], out_dir: str | None) -> None:
    """Prepare the NLM-Chem corpus of full texts, with MeSH 2021 as its ontology.

    \b
    Example:
      raybel prepare nlm-chem --nlmchem-dir FINAL_v1 --mesh2021-dir mesh2021 --out-dir data
    """
    show(prepare_nlm_chem(configured(NlmChemConfig, values, outputs=_outputs(values, out_dir)), _say))


@prepare.command("medic", context_settings=CONTEXT)
@options(MedicConfig)
def medic(values: dict[str, Any]) -> None:
    """Prepare MEDIC, CTD's diseases, as an ontology; no corpus is needed.

    \b
    Example:
      raybel prepare medic --ctd-medic-diseases CTD_diseases.tsv.gz --out medic.arrow
    """
    config = configured(MedicConfig, values)
    _show_written(prepare_medic(config, _say), config.out)


@prepare.command("mesh", context_settings=CONTEXT)
@options(MeshConfig)
def mesh(values: dict[str, Any]) -> None:
    """Prepare MeSH, descriptors and supplementary concepts of any year, as an ontology; no corpus is needed.

    `raybel ontology select` takes branches of it: diseases, chemicals ...

    \b
    Example:
      raybel prepare mesh --mesh-dir mesh2015 --out mesh.arrow
    """
    config = configured(MeshConfig, values)
    _show_written(prepare_mesh(config, _say), config.out)


@prepare.command("umls", context_settings=CONTEXT)
@options(UmlsConfig)
def umls(values: dict[str, Any]) -> None:
    """Prepare a release of UMLS as an ontology: names, definitions, semantic types, ids of earlier releases.

    \b
    Example:
      raybel prepare umls --umls 2017AA/META --semantic-types T047 --semantic-types T121 --out umls.arrow
    """
    config = configured(UmlsConfig, values)
    summary = prepare_umls(config, _say)
    tables.table("Names in MRCONSO", ["", "count"], summary.names.items())
    if summary.concepts:
        tables.table("Concepts left out", ["", "count"], summary.concepts.items())
    _show_written(summary.ontology, config.out, summary.notes)


@prepare.command("obo", context_settings=CONTEXT)
@options(OboConfig)
def obo(values: dict[str, Any]) -> None:
    """Prepare an ontology of the OBO library (HPO, MONDO ...) from OBO or OBO Graphs JSON.

    Exact synonyms become aliases. Obsolete terms are left out; what replaces them gets their ids as alternative ones.
    OWL is converted first: robot convert --input hp.owl --output hp.obo

    \b
    Example:
      raybel prepare obo --obo mondo.obo --out mondo.arrow
      raybel prepare obo --obo hp.obo.gz --scopes exact,narrow --prefixes HP --out hp.arrow
    """
    config = configured(OboConfig, values)
    summary = prepare_obo(config, _say)
    tables.table(
        relative(config.obo), ["", "count"], [(name, count) for name, count in summary.counts.items() if count]
    )
    _show_written(summary.ontology, config.out, summary.notes)


@prepare.command("table", context_settings=CONTEXT)
@options(TableConfig)
def table(values: dict[str, Any]) -> None:
    """Prepare an ontology from tables (CSV, TSV, Parquet): a row or several for each concept.

    The first name of a concept is its name, further ones are aliases, wherever its rows stand. Columns with common
    headers are found by themselves.

    \b
    Examples:
      raybel prepare table --table mine.csv --columns id=code,name=title,aliases=terms --out mine.arrow
      raybel prepare table --table CONCEPT.csv --table CONCEPT_SYNONYM.csv --out omop.arrow
    """
    config = configured(TableConfig, values)
    summary = prepare_table(config, _say)
    tables.table(
        "Tables", ["", "rows", "columns"], [(relative(path), rows, holds) for path, rows, holds, _ in summary.tables]
    )
    notes = [f"{relative(path)}: not read: {', '.join(left)}" for path, _, _, left in summary.tables if left]
    _show_written(summary.ontology, config.out, notes)


def _outputs(values: Mapping[str, Any], directory: str | None) -> Outputs:
    """The outputs that options name; for the others, the usual names in a directory if there is one."""
    usual = Outputs.in_directory(directory) if directory else Outputs()
    return replace(usual, **{name: values[name] for name in vars(usual) if name in values})


def _say(line: str) -> None:
    tables.say(line)


def show(summary: Summary) -> None:
    """Print a summary: one table with a column per split, then what was left out and why, notes, what was written."""
    present = [split for split in summary.splits if split.path]
    split_rows = (split.rows() for split in present)
    rows = [(cells[0][0], *(count for _, count in cells)) for cells in zip(*split_rows, strict=True)]
    # A row of zeros says nothing, and where no mention was dropped, neither does the number of those kept.
    dropped = any(split.dropped for split in present)
    always = {"documents", "mentions", f"  {LINKABLE}"}
    shown = [row for row in rows if (dropped if row[0] == "mentions kept" else any(row[1:]) or row[0] in always)]
    tables.table(summary.corpus, ["", *(split.name for split in present)], shown)
    _show_ontology(summary.ontology)
    for split in present:
        if split.details:
            _lines(relative(str(split.path)), split.details)
    if summary.notes:
        _lines("Notes", list(summary.notes))
    written = [f"{relative(path)}: {content}" for path, content in summary.written]
    _lines("Written", written or ["nothing: no --out-... option was given"], limit=len(written) + 1)


def _show_ontology(stats: Mapping[str, int]) -> None:
    """Print an ontology's counts that aren't zero; nothing where there is no ontology."""
    rows = [(name, count) for name, count in stats.items() if count]
    if rows:
        tables.table("Ontology", ["", "count"], rows)


def _show_written(stats: Mapping[str, int], path: str, notes: Sequence[str] = ()) -> None:
    """Print what a vocabulary became: the ontology's counts, notes, the file."""
    _show_ontology(stats)
    if notes:
        _lines("Notes", list(notes))
    _lines("Written", [f"{relative(path)}: {counted(stats['concepts'], 'concept')}"])


def _lines(title: str, lines: list[str], limit: int = MAX_LINES) -> None:
    tables.out.print()
    tables.out.print(title, style="bold", markup=False, soft_wrap=True)
    for line in lines[:limit]:
        tables.out.print(f"  {line}", markup=False, soft_wrap=True)
    if len(lines) > limit:
        tables.out.print(f"  and {len(lines) - limit:,} more", style="dim")
