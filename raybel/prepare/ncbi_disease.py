"""The NCBI Disease corpus (Dogan et al. 2014) with MEDIC, CTD's disease vocabulary, as its ontology.

Files: https://www.ncbi.nlm.nih.gov/CBBresearch/Dogan/DISEASE/ - PubTator text, one file for each split. Ids are MeSH's
(without prefix) or `OMIM:...`; `a|b` annotates a phrase that names several diseases, `a+b` one that takes both ids to
say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from raybel.prepare import medic, pubtator, splits
from raybel.prepare.outputs import Outputs
from raybel.prepare.summary import Summary

FILES = {
    split: (f"NCBI{name}set_corpus.txt", f"NCBI{name}set_corpus.txt.gz")
    for split, name in (("train", "train"), ("val", "develop"), ("test", "test"))
}


@dataclass(frozen=True)
class NcbiDiseaseConfig:
    """What to prepare.

    Args:
        ncbidisease_dir: Directory with `NCBItrainset_corpus.txt` and its like, plain or gzipped; any of the three.
        ctd_medic_diseases: CTD's `CTD_diseases.tsv`, plain or gzipped.
        outputs: Where to write.
        drop_unlinkable: Keep only mentions with one id that MEDIC knows, as published systems do.
    """

    ncbidisease_dir: str
    ctd_medic_diseases: str
    outputs: Outputs = field(default_factory=Outputs)
    drop_unlinkable: bool = False


def prepare_ncbi_disease(config: NcbiDiseaseConfig, say: Callable[[str], None] = lambda line: None) -> Summary:
    """Prepare the corpus; `say` gets a line when a longer step begins.

    Raises:
        InputError: No file of the corpus, no vocabulary, or one that can't be read.
        ConfigError: An output can't be written.
    """
    source = splits.Source("NCBI Disease", config.ncbidisease_dir, FILES, pubtator.read, "|+")
    path = config.ctd_medic_diseases
    return splits.run(source, lambda: medic.read_ontology(path), config.outputs, config.drop_unlinkable, say)
