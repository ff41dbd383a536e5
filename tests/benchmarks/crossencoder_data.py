"""What the benchmarks of cross-encoders share: a prepared corpus with a generator, and its labelled examples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from raybel.candidates.parameters import NgramParameters
from raybel.candidates.registry import open_generator
from raybel.config import GeneratorPaths
from raybel.corpus.documents import ReadOptions
from raybel.corpus.reading import SetAside, read_rows
from raybel.jobs.index.config import IndexDenseConfig
from raybel.jobs.index.job import index_dense
from raybel.jobs.train.config import TrainNgramsConfig
from raybel.jobs.train.ngrams import train_ngrams
from raybel.ontology import Ontology
from raybel.prepare.bc5cdr import Bc5cdrConfig, prepare_bc5cdr
from raybel.prepare.biored import BioredConfig, prepare_biored
from raybel.prepare.ncbi_disease import NcbiDiseaseConfig, prepare_ncbi_disease
from raybel.prepare.outputs import Outputs
from raybel.rerank.examples import Describer, Example
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.training.alias_scopes import AliasScope
from raybel.rerank.training.crossfit import labelled_examples


def prepared(data: Path, home: Path, name: str, generator: str | None, aliases: bool = False) -> Path:
    """Prepare a corpus and make a generator of it, `ngrams`, `dense` or none; return the directory of both."""
    where = home / name
    outputs = Outputs.in_directory(str(where))
    if name == "ncbi":
        medic = str(data / "ctd" / "CTD_diseases.tsv.gz")
        prepare_ncbi_disease(NcbiDiseaseConfig(str(data / "ncbi-disease"), medic, outputs))
    elif name == "biored":
        prepare_biored(BioredConfig(str(data / "biored"), str(data / "mesh2015"), outputs=outputs))
    else:
        prepare_bc5cdr(Bc5cdrConfig(str(data / "bc5cdr"), str(data / "mesh2015"), outputs))
    ontology, train = str(where / "ontology.arrow"), str(where / "train.bioc.xml.gz")
    if generator == "ngrams":
        parameters = NgramParameters(add_training_data_to_ontology=aliases)
        train_ngrams(TrainNgramsConfig(ontology, str(where / "ngrams"), (train,), (), parameters))
    elif generator == "dense":
        used = (train,) if aliases else ()
        index_dense(IndexDenseConfig(ontology, str(where / "dense"), "minilm", train_corpus=used))
    return where


def paths(home: Path) -> GeneratorPaths:
    """The generator that `prepared` made there."""
    if (home / "dense").exists():
        return GeneratorPaths(dense_index=str(home / "dense"))
    return GeneratorPaths(ngrams_model=str(home / "ngrams"))


def corpora(
    home: Path,
    split: str,
    parameters: CrossEncoderParameters,
    alias_scope: AliasScope = "all",
    documents: int | None = None,
    also: Sequence[Path] = (),
) -> list[list[Example]]:
    """Return the labelled examples of each document; `also` those of corpora that were prepared elsewhere.

    Of these it takes the mentions whose concepts the ontology knows, and no document that the development corpus has.
    """
    ontology = Ontology.open(str(home / "ontology.arrow"))
    generator = open_generator(ontology, paths(home), threads=2)
    options = ReadOptions(sentences=True)
    kept = {row.doc_id for row in read_rows([str(home / "val.bioc.xml.gz")], options, SetAside())} if also else set()
    rows = [
        *read_rows([str(home / f"{split}.bioc.xml.gz")], options, SetAside()),
        *(
            row
            for other in also
            for row in read_rows([str(other / f"{split}.bioc.xml.gz")], options, SetAside())
            if row.doc_id not in kept
        ),
    ]
    held = [{"passages": row.passages, "mentions": row.mentions} for row in rows][:documents]
    describer = Describer(ontology, generator.alias_table, parameters)
    return labelled_examples(held, generator, ontology, describer, parameters.context, parameters.top_k, alias_scope)
