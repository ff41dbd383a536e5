"""What the benchmarks share: the real corpora prepared, a model, and the corpora replicated with distinct ids."""

from __future__ import annotations

import re
from pathlib import Path

from raybel.corpus.formats.bioc_xml import collection_header
from raybel.files import storage
from raybel.jobs.train.config import TrainNgramsConfig
from raybel.jobs.train.ngrams import train_ngrams
from raybel.prepare.bc5cdr import Bc5cdrConfig, prepare_bc5cdr
from raybel.prepare.ncbi_disease import NcbiDiseaseConfig, prepare_ncbi_disease
from raybel.prepare.outputs import Outputs

_DOCUMENT = re.compile(rb"<document>.*?</document>", re.DOTALL)


def prepare_models(data: Path, home: Path) -> tuple[str, str, list[Path]]:
    """Prepare both corpora below `home` and train n-grams on NCBI Disease: ontology, model, corpus files."""
    ncbi, cdr = home / "ncbi", home / "bc5cdr"
    medic = str(data / "ctd" / "CTD_diseases.tsv.gz")
    prepare_ncbi_disease(NcbiDiseaseConfig(str(data / "ncbi-disease"), medic, Outputs.in_directory(str(ncbi))))
    prepare_bc5cdr(Bc5cdrConfig(str(data / "bc5cdr"), str(data / "mesh2015"), Outputs.in_directory(str(cdr))))
    ontology, model = str(ncbi / "ontology.arrow"), str(home / "model")
    train_ngrams(TrainNgramsConfig(ontology, model, (str(ncbi / "train.bioc.xml.gz"),)))
    return ontology, model, [folder / f"{split}.bioc.xml.gz" for folder in (ncbi, cdr) for split in ("train", "val")]


def replicate(sources: list[Path], target: Path, documents: int, files: int) -> None:
    """Write `documents` documents into `files` files, taking those of the sources in turn; ids get their number."""
    every = []
    for path in sources:
        with storage.open_bytes(str(path)) as file:
            every += _DOCUMENT.findall(file.read())
    for number in range(files):
        first, last = documents * number // files, documents * (number + 1) // files
        texts = (every[i % len(every)].replace(b"<id>", b"<id>%d-" % i, 1) + b"\n" for i in range(first, last))
        whole = collection_header("replicated") + b"".join(texts) + b"</collection>\n"
        storage.publish(str(target / f"part{number:03d}.xml.gz"), storage.compress(whole))
