"""BC5CDR (Li et al. 2016), chemicals and diseases, with MeSH 2015 as its ontology.

Files: https://biocreative.bioinformatics.udel.edu/tasks/biocreative-v/track-3-cdr/ - each split as PubTator text
and as BioC XML. Ids are MeSH's, `-1` where it has none, `a|b` for a phrase that names several concepts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field
from typing import Annotated

from raybel.config import FilePath, Option, configuration
from raybel.ontology import Ontology
from raybel.prepare import bioc_source, mesh, pubtator, splits
from raybel.prepare.common import SourceDocument
from raybel.prepare.outputs import DropUnlinkable, Outputs
from raybel.prepare.summary import Summary

FILES = {
    split: tuple(f"CDR_{name}Set.{suffix}" for suffix in ("PubTator.txt", "PubTator.txt.gz", "BioC.xml", "BioC.xml.gz"))
    for split, name in (("train", "Training"), ("val", "Development"), ("test", "Test"))
}


@configuration
class Bc5cdrConfig:
    """What to prepare BC5CDR from, and where to write it."""

    bc5cdr_dir: Annotated[
        FilePath, Option("Directory with CDR_TrainingSet.PubTator.txt etc. (or .BioC.xml; or .gz).", "DIR")
    ]
    mesh2015_dir: mesh.Mesh2015Dir
    outputs: Outputs = field(default_factory=Outputs)
    drop_unlinkable: DropUnlinkable = False


def prepare_bc5cdr(config: Bc5cdrConfig, say: Callable[[str], None] = lambda line: None) -> Summary:
    """Prepare the corpus; `say` gets a line when a longer step begins.

    Raises:
        InputError: No file of the corpus, no vocabulary, or one that can't be read.
        ConfigError: An output can't be written.
    """
    corpus = splits.SourceCorpus("BC5CDR", config.bc5cdr_dir, FILES, read, "|")

    def read_ontology() -> Ontology:
        return mesh.read_ontology(config.mesh2015_dir)

    return splits.prepare_corpus(corpus, read_ontology, config.outputs, config.drop_unlinkable, say)


def read(path: str) -> Iterator[SourceDocument]:
    """Yield the documents of a file, PubTator text or BioC XML as its name says."""
    return read_bioc(path) if path.removesuffix(".gz").endswith(".xml") else pubtator.read(path)


def read_bioc(path: str) -> Iterator[SourceDocument]:
    """Yield the documents of CDR's BioC XML; memory for one at a time.

    Ids come from the infon `MESH`. Annotations that repeat a part of a composite (infon `CompositeRole` =
    `IndividualMention`) are left out, as PubTator's seventh column is.

    Raises:
        InputError: Not BioC, no documents, cut off.
    """
    return bioc_source.read(path, "MESH", lambda infons: infons.get("CompositeRole") != "IndividualMention")
