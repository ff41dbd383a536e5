"""The NCBI Disease corpus (Dogan et al. 2014) with MEDIC, CTD's disease vocabulary, as its ontology.

Files: https://www.ncbi.nlm.nih.gov/CBBresearch/Dogan/DISEASE/ - PubTator text, one file for each split. Ids are MeSH's
(without prefix) or `OMIM:...`; `a|b` annotates a phrase that names several diseases, `a+b` one that takes both ids to
say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Annotated

from raybel.config import FilePath, Option, configuration
from raybel.ontology import Ontology
from raybel.prepare import medic, pubtator, splits
from raybel.prepare.outputs import DropUnlinkable, Outputs
from raybel.prepare.summary import Summary

FILES = {
    split: (f"NCBI{name}set_corpus.txt", f"NCBI{name}set_corpus.txt.gz")
    for split, name in (("train", "train"), ("val", "develop"), ("test", "test"))
}


@configuration
class NcbiDiseaseConfig:
    """What to prepare the NCBI Disease corpus from, and where to write it."""

    ncbidisease_dir: Annotated[
        FilePath, Option("Directory with NCBItrainset_corpus.txt etc. (or .gz); any of the three.", "DIR")
    ]
    ctd_medic_diseases: medic.CtdMedicDiseases
    outputs: Outputs = field(default_factory=Outputs)
    drop_unlinkable: DropUnlinkable = False


def prepare_ncbi_disease(config: NcbiDiseaseConfig, say: Callable[[str], None] = lambda line: None) -> Summary:
    """Prepare the corpus; `say` gets a line when a longer step begins.

    Raises:
        InputError: No file of the corpus, no vocabulary, or one that can't be read.
        ConfigError: An output can't be written.
    """
    corpus = splits.SourceCorpus("NCBI Disease", config.ncbidisease_dir, FILES, pubtator.read, "|+")

    def read_ontology() -> Ontology:
        return medic.read_ontology(config.ctd_medic_diseases)

    return splits.prepare_corpus(corpus, read_ontology, config.outputs, config.drop_unlinkable, say)
