"""Token classifiers on the development sets of NCBI Disease, BC5CDR and BioRED, alone and beside a dictionary; speed.

    python tests/benchmarks/detection_classifier.py [--data ../shared/data] [--model DIR ...] [--threads 1]
        [--params FILE] [--corpora ncbi,bc5cdr,biored ...]

Without `--model` one is trained for each `--corpora`, with MiniLM, on the training splits that this names; by default
one for all three corpora, one for NCBI Disease alone, one for NCBI Disease and BC5CDR, to see what it finds in the
third. Dictionaries are made of each corpus' ontology and its training split; how far they are trusted is fitted on its
dev set.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from raybel.config import MentionOptions
from raybel.corpus.type_names import parse_type_names
from raybel.detection.annotated import AnnotatedDocument, CorpusCounts, read_corpus
from raybel.detection.dictionary import Dictionary
from raybel.detection.token_classifier import TokenClassifier
from raybel.detection.training.dictionary import fit_with_dictionary
from raybel.detection.training.parameters import DetectorParameters
from raybel.detection.training.scores import count_spans, score_table
from raybel.files.mappings import read_mapping
from raybel.jobs.train.config import TrainDetectorConfig, Workers
from raybel.jobs.train.detector import train_detector
from raybel.ontology import Ontology
from raybel.prepare.bc5cdr import Bc5cdrConfig, prepare_bc5cdr
from raybel.prepare.biored import BioredConfig, prepare_biored
from raybel.prepare.ncbi_disease import NcbiDiseaseConfig, prepare_ncbi_disease
from raybel.prepare.outputs import Outputs

CORPORA = ("ncbi", "bc5cdr", "biored")
TYPE_NAMES = tuple(f"{old}=Disease" for old in ("SpecificDisease", "Modifier", "DiseaseClass", "CompositeMention"))


def prepare(data: Path, home: Path) -> None:
    """Prepare train and dev of the three corpora, diseases and chemicals."""
    mesh, outputs = str(data / "mesh2015"), {name: Outputs.in_directory(str(home / name)) for name in CORPORA}
    medic = str(data / "ctd" / "CTD_diseases.tsv.gz")
    prepare_ncbi_disease(NcbiDiseaseConfig(str(data / "ncbi-disease"), medic, outputs["ncbi"]))
    prepare_bc5cdr(Bc5cdrConfig(str(data / "bc5cdr"), mesh, outputs["bc5cdr"]))
    prepare_biored(BioredConfig(str(data / "biored"), mesh, outputs=outputs["biored"]))


def train(home: Path, names: tuple[str, ...], out: Path, parameters: DetectorParameters, cpus: int | None) -> str:
    """Train on some of the corpora; return the model."""
    train_paths, val_paths = (
        tuple(str(home / name / f"{split}.bioc.xml.gz") for name in names) for split in ("train", "val")
    )
    output = str(out / "-".join(names))
    workers = Workers(cpus_per_worker=cpus)
    config = TrainDetectorConfig(
        output, train_paths, val_paths, "minilm", type_names=TYPE_NAMES, parameters=parameters, workers=workers
    )
    done = train_detector(config, lambda state: print(state, file=sys.stderr))
    print(f"trained on {', '.join(names)}: {done.seconds / 60:.0f} minutes, best epoch {done.best['epoch']}")
    return output


def row_of(*cells: object) -> None:
    print("|", " | ".join(map(str, cells)), "|", flush=True)


def alone(home: Path, model: str, threads: int) -> None:
    """Print a classifier's scores and speed on each dev set."""
    detector = TokenClassifier.load(model, threads=threads)
    detector.detect([["A first text, so that all is loaded."]])
    for name in CORPORA:
        documents, counts = of_split(home, name, "val", detector.types)
        texts = [document.passages for document in documents]
        tokens = sum(len(each.ids) for each in detector.tokeniser.sentences([t for p in texts for t in p]))
        begun = time.perf_counter()
        found = detector.detect(texts)
        seconds = time.perf_counter() - begun
        speed = [f"{tokens / seconds:,.0f}", f"{len(texts) / seconds:.1f}"]
        for kind, values in score_table(count_spans(documents, found, [counts.types])).items():
            if kind in counts.types:
                cells = [f"{100 * values[each]:.1f}" for each in ("precision", "recall", "F1")]
                row_of(Path(model).name, name, kind, f"{counts.mentions[kind]:,}", *cells, *speed)


def together(home: Path, model: str) -> None:
    """Print F1 of a classifier, of a corpus' own dictionary, and of both."""
    for name in CORPORA:
        dictionary = Dictionary.build(
            Ontology.open(str(home / name / "ontology.arrow")), of_split(home, name, "train", ())[0]
        )
        dictionary.save(str(home / f"dictionary-{name}"))
        documents, counts = of_split(home, name, "val", ())
        fitted = fit_with_dictionary(model, dictionary, documents, [counts.types])
        for kind in counts.types:
            figures = [f"{100 * fitted['scores'][each][kind]['F1']:.1f}" for each in fitted["scores"]]
            row_of(Path(model).name, name, kind, *figures, fitted["rule"]["types"][kind])


def of_split(home: Path, corpus: str, split: str, kinds: Sequence[str]) -> tuple[list[AnnotatedDocument], CorpusCounts]:
    path = str(home / corpus / f"{split}.bioc.xml.gz")
    return read_corpus([path], MentionOptions(mention_types=tuple(kinds)), parse_type_names(TYPE_NAMES))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    parser.add_argument("--model", action="append", default=[], help="token classifiers; none: train them")
    parser.add_argument("--corpora", action="append", default=[], help="what to train on, commas between")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--params", help="hyper-parameters under the key `detector`")
    parser.add_argument("--train-cpus", type=int, help="CPUs that training takes; none: all")
    parser.add_argument("--keep", help="directory for the models that are trained")
    args = parser.parse_args()
    parameters = DetectorParameters().changed(read_mapping(args.params)["detector"] if args.params else {})
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        prepare(args.data, home)
        chosen = args.corpora or [",".join(CORPORA), "ncbi", "ncbi,bc5cdr"]
        models = args.model or [
            train(home, tuple(names.split(",")), Path(args.keep or home), parameters, args.train_cpus)
            for names in chosen
        ]
        row_of("model", "corpus", "type", "mentions", "precision", "recall", "F1", "tokens/s", "documents/s")
        row_of(*["---"] * 9)
        for model in models:
            alone(home, model, args.threads)
        print()
        row_of("model", "corpus", "type", "classifier", "dictionary", "both", "rule")
        row_of(*["---"] * 7)
        for model in models:
            together(home, model)


if __name__ == "__main__":
    main()
