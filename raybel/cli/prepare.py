"""`raybel prepare`: official corpora and vocabularies into BioC files and an ontology."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click

from raybel.cli import tables
from raybel.cli.common import CONTEXT
from raybel.prepare.bc5cdr import Bc5cdrConfig, prepare_bc5cdr
from raybel.prepare.ids import LINKABLE
from raybel.prepare.medmentions import MedMentionsConfig, prepare_medmentions
from raybel.prepare.ncbi_disease import NcbiDiseaseConfig, prepare_ncbi_disease
from raybel.prepare.nlm_chem import NlmChemConfig, prepare_nlm_chem
from raybel.prepare.outputs import Outputs
from raybel.prepare.summary import Summary
from raybel.prepare.umls import UmlsConfig, prepare_umls

#: Lines shown of each split's repeated documents and misplaced mentions.
SHOWN = 10


@click.group(context_settings=CONTEXT)
def prepare() -> None:
    """Make BioC files and an ontology from a corpus as it is distributed.

    A mention's ids go into the infon `concept_id`: canonical ids of the ontology, several joined by `|`, `-1` for none.
    Where the corpus wrote it otherwise, `source_id` keeps that.
    """


def _outputs(command: Callable[..., None]) -> Callable[..., None]:
    options = [
        click.option(
            "--out-dir",
            metavar="DIR",
            help="Write train, val, test (.bioc.xml.gz) and ontology.arrow into this directory.",
        ),
        click.option("--out-train", metavar="FILE", help="Where to write this split (.xml or .xml.gz)."),
        click.option("--out-val", metavar="FILE", help="As --out-train."),
        click.option("--out-test", metavar="FILE", help="As --out-train."),
        click.option(
            "--out-ontology", metavar="FILE", help="Where to write the ontology (.arrow, .parquet, .json or .json.gz)."
        ),
        click.option(
            "--drop-unlinkable",
            is_flag=True,
            help="Keep only mentions with one id that the ontology knows, as published systems do.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@prepare.command("ncbi-disease")
@click.option(
    "--ncbidisease-dir", metavar="DIR", required=True, help="Directory with NCBItrainset_corpus.txt etc. (or .gz)."
)
@click.option("--ctd-medic-diseases", metavar="FILE", required=True, help="MEDIC: CTD_diseases.tsv (or .gz).")
@_outputs
def ncbi_disease(ncbidisease_dir: str, ctd_medic_diseases: str, drop_unlinkable: bool, **out: str | None) -> None:
    """Prepare the NCBI Disease corpus, with MEDIC as its ontology.

    A split whose file isn't there is skipped; an output that isn't asked for isn't written.

    \b
    Example:
      raybel prepare ncbi-disease --ncbidisease-dir NCBI_corpus \\
          --ctd-medic-diseases CTD_diseases.tsv.gz --out-dir data
    """
    config = NcbiDiseaseConfig(ncbidisease_dir, ctd_medic_diseases, _paths(**out), drop_unlinkable)
    show(prepare_ncbi_disease(config, _say))


@prepare.command("bc5cdr")
@click.option(
    "--bc5cdr-dir",
    metavar="DIR",
    required=True,
    help="Directory with CDR_TrainingSet.PubTator.txt etc. (or .BioC.xml; or .gz).",
)
@click.option(
    "--mesh2015-dir", metavar="DIR", required=True, help="Directory with desc2015.xml and supp2015.xml (or .gz)."
)
@_outputs
def bc5cdr(bc5cdr_dir: str, mesh2015_dir: str, drop_unlinkable: bool, **out: str | None) -> None:
    """Prepare the BC5CDR corpus, with MeSH 2015 as its ontology.

    A split whose file isn't there is skipped; an output that isn't asked for isn't written.

    \b
    Example:
      raybel prepare bc5cdr --bc5cdr-dir CDR.Corpus.v010516 --mesh2015-dir mesh2015 --out-dir data
    """
    show(prepare_bc5cdr(Bc5cdrConfig(bc5cdr_dir, mesh2015_dir, _paths(**out), drop_unlinkable), _say))


@prepare.command("medmentions")
@click.option(
    "--medmentions-dir",
    metavar="DIR",
    required=True,
    help="Directory with corpus_pubtator.txt and the lists of PMIDs: full/data or st21pv/data.",
)
@click.option("--ontology", metavar="FILE", help="Check ids against it (of `raybel prepare umls`).")
@click.option("--clean", is_flag=True, help="Leave out repeated and overlapping annotations, then empty documents.")
@_outputs
def medmentions(
    medmentions_dir: str, ontology: str | None, clean: bool, drop_unlinkable: bool, **out: str | None
) -> None:
    """Prepare MedMentions, the full corpus or ST21pv, split by its lists of PMIDs.

    Its ontology is UMLS, which needs a licence: `raybel prepare umls`; none is written here. The lists of PMIDs,
    corpus_pubtator_pmids_{trng,dev,test}.txt with one PMID in each line, must all be there, or for st21pv/data in the
    full/data beside it.

    \b
    Example:
      raybel prepare medmentions --medmentions-dir MedMentions/st21pv/data --clean --out-dir data
    """
    outputs = replace(_paths(**out), ontology=None) if out.get("out_ontology") is None else _paths(**out)
    show(prepare_medmentions(MedMentionsConfig(medmentions_dir, outputs, ontology, clean, drop_unlinkable), _say))


@prepare.command("nlm-chem")
@click.option("--nlmchem-dir", metavar="DIR", required=True, help="Directory with ALL/*.xml and pmcids_train.txt etc.")
@click.option(
    "--mesh2021-dir", metavar="DIR", required=True, help="Directory with desc2021.xml and supp2021.xml (or .gz)."
)
@_outputs
def nlm_chem(nlmchem_dir: str, mesh2021_dir: str, drop_unlinkable: bool, **out: str | None) -> None:
    """Prepare the NLM-Chem corpus of full texts, with MeSH 2021 as its ontology.

    \b
    Example:
      raybel prepare nlm-chem --nlmchem-dir FINAL_v1 --mesh2021-dir mesh2021 --out-dir data
    """
    show(prepare_nlm_chem(NlmChemConfig(nlmchem_dir, mesh2021_dir, _paths(**out), drop_unlinkable), _say))


@prepare.command("umls")
@click.option("--umls", metavar="DIR", required=True, help="A release's META directory: MRCONSO.RRF etc. (or .gz).")
@click.option("--out", metavar="FILE", required=True, help="Where to write the ontology (.arrow, .parquet, .json.gz).")
@click.option("--languages", default="ENG", help="Of names, with commas between; a concept is called by the first.")
@click.option(
    "--sources",
    default="",
    show_default=False,
    help="Vocabularies whose names count, with commas between.  [default: all]",
)
@click.option(
    "--semantic-types",
    multiple=True,
    metavar="TUI",
    help="Keep concepts with one of these; with commas between, or given several times.  [default: all]",
)
@click.option("--keep-suppressed", is_flag=True, help="Keep names that are obsolete or suppressed.")
def umls(
    umls: str, out: str, languages: str, sources: str, semantic_types: tuple[str, ...], keep_suppressed: bool
) -> None:
    """Prepare a release of UMLS as an ontology: names, definitions, semantic types, ids of earlier releases.

    \b
    Example:
      raybel prepare umls --umls 2017AA/META --semantic-types T047 --semantic-types T121 --out umls.arrow
    """
    summary = prepare_umls(
        UmlsConfig(umls, out, _parts(languages), _parts(sources), _parts(*semantic_types), keep_suppressed), _say
    )
    tables.table("Ontology", ["", "count"], [(what, count) for what, count in summary.ontology.items() if count])
    tables.table("Names in MRCONSO", ["", "count"], summary.names.items())
    if summary.concepts:
        tables.table("Concepts left out", ["", "count"], summary.concepts.items())
    if summary.notes:
        _lines("Notes", summary.notes)
    _lines("Written", [f"{out}: {summary.ontology['concepts']:,} concepts"])


def _parts(*lists: str) -> tuple[str, ...]:
    return tuple(part.strip() for each in lists for part in each.split(",") if part.strip())


def _paths(out_dir: str | None, **paths: str | None) -> Outputs:
    usual = Outputs.in_directory(out_dir) if out_dir else Outputs()
    chosen: dict[str, Any] = {name: paths[f"out_{name}"] or getattr(usual, name) for name in vars(usual)}
    return Outputs(**chosen)


def _say(line: str) -> None:
    tables.err.print(line, style="dim", markup=False, soft_wrap=True)


def show(summary: Summary) -> None:
    """Print a summary: one table with a column per split, then what was left out and why, notes, what was written."""
    present = [split for split in summary.splits if split.path]
    rows = [(cells[0][0], *(count for _, count in cells)) for cells in zip(*(s.rows() for s in present), strict=True)]
    # A line of zeros says nothing, and where nothing was dropped, neither does what was kept.
    dropped = any(split.dropped for split in present)
    always = {"documents", "mentions", f"  {LINKABLE}"}
    shown = [row for row in rows if (dropped if row[0] == "mentions kept" else any(row[1:]) or row[0] in always)]
    tables.table(summary.corpus, ["", *(split.name for split in present)], shown)
    ontology = [(what, count) for what, count in summary.ontology.items() if count]
    if ontology:
        tables.table("Ontology", ["", "count"], ontology)
    for split in present:
        if split.details:
            _lines(f"{split.path}", split.details)
    if summary.notes:
        _lines("Notes", list(summary.notes))
    written = [f"{path}: {what}" for path, what in summary.written]
    _lines("Written", written or ["nothing: no --out-... option was given"], limit=len(written) + 1)


def _lines(title: str, lines: list[str], limit: int = SHOWN) -> None:
    tables.out.print()
    tables.out.print(title, style="bold", markup=False, soft_wrap=True)
    for line in lines[:limit]:
        tables.out.print(f"  {line}", markup=False, soft_wrap=True)
    if len(lines) > limit:
        tables.out.print(f"  and {len(lines) - limit:,} more", style="dim")
