"""BioRED (Luo et al. 2022): diseases, chemicals, genes, species, variants and cell lines, with MeSH 2015 as ontology.

Files: https://ftp.ncbi.nlm.nih.gov/pub/lu/BioRED/ - each split as PubTator text. Several ids of a mention have `,`
between them. Only diseases and chemicals have ids of MeSH (or of OMIM), and are kept by default; a variant's id
(`c|SUB|G|20|A`) holds separators itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import field, replace
from typing import Annotated

from raybel.config import FilePath, Option, Words, configuration
from raybel.ontology import Ontology
from raybel.prepare import mesh, pubtator, splits
from raybel.prepare.common import SourceDocument, find_file
from raybel.prepare.ids import IdResolver
from raybel.prepare.outputs import DropUnlinkable, Outputs
from raybel.prepare.splits import SourceSplit
from raybel.prepare.summary import Summary

FILES = {
    split: (f"{name}.PubTator", f"{name}.PubTator.gz")
    for split, name in (("train", "Train"), ("val", "Dev"), ("test", "Test"))
}
#: Train and dev in one file, as some copies have them: dev is its last documents.
JOINED = ("BioRED_TrainDev.PubTator", "BioRED_TrainDev.PubTator.gz")
DEV_DOCUMENTS = 100
#: The types that MeSH has ids for, in the two spellings of copies.
TYPES = ("Disease", "Chemical", "DiseaseOrPhenotypicFeature", "ChemicalEntity")


@configuration
class BioredConfig:
    """What to prepare BioRED from, and where to write it."""

    biored_dir: Annotated[
        FilePath, Option("Directory with Train.PubTator etc. (or BioRED_TrainDev.PubTator; or .gz).", "DIR")
    ]
    mesh2015_dir: mesh.Mesh2015Dir
    mention_types: Annotated[
        Words, Option("Types of the mentions that are kept, commas between; nothing for all.", "A,B,...")
    ] = TYPES
    outputs: Outputs = field(default_factory=Outputs)
    drop_unlinkable: DropUnlinkable = False


def prepare_biored(config: BioredConfig, say: Callable[[str], None] = lambda line: None) -> Summary:
    """Prepare the corpus; `say` gets a line when a longer step begins.

    Where there is neither Train nor Dev, the file with both is split: its last 100 documents are dev.

    Raises:
        InputError: No file of the corpus, no vocabulary, or one that can't be read.
        ConfigError: An output can't be written.
    """

    def read(path: str) -> Iterator[SourceDocument]:
        kept = frozenset(config.mention_types)
        for document in pubtator.read(path):
            mentions = tuple(mention for mention in document.mentions if not kept or mention.type in kept)
            yield replace(document, mentions=mentions)

    corpus = splits.SourceCorpus("BioRED", config.biored_dir, FILES, read, ",;|")

    def read_ontology() -> Ontology:
        return mesh.read_ontology(config.mesh2015_dir)

    apart = [find_file(config.biored_dir, FILES[split]) for split in ("train", "val")]
    joined = find_file(config.biored_dir, JOINED)
    if any(apart) or joined is None:
        return splits.prepare_corpus(corpus, read_ontology, config.outputs, config.drop_unlinkable, say)
    config.outputs.check()
    documents = list(read(joined))
    cut = max(len(documents) - DEV_DOCUMENTS, 0)
    test = find_file(config.biored_dir, FILES["test"])
    source_splits = {
        "train": SourceSplit(joined, documents[:cut]),
        "val": SourceSplit(joined, documents[cut:]),
        "test": SourceSplit(test, read(test)) if test else None,
    }
    say("reading the ontology")
    ontology = read_ontology()
    note = f"train and dev come in one file: its last {len(documents) - cut} documents are dev"
    resolver = IdResolver(ontology, corpus.separators)
    return splits.resolve_and_write(
        corpus, source_splits, resolver, ontology, config.outputs, config.drop_unlinkable, say, [note]
    )
