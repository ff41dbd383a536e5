"""From raw text to links in another corpus: trained on NCBI Disease and BC5CDR, scored on BioRED's development set.

    python tests/benchmarks/end_to_end.py [--data ../shared/data] [--detector DIR] [--bootstrap 1000]

Detection (the dictionary; with `--detector` a token classifier beside it) and n-gram candidates, both of MeSH 2015.
Documents of BioRED that stand in a training corpus too (13 of 100) are left out.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from raybel.corpus.documents import ReadOptions
from raybel.corpus.reading import SetAside, read_documents, read_rows
from raybel.files import storage

TYPE_NAMES = "SpecificDisease=Disease,Modifier=Disease,DiseaseClass=Disease,CompositeMention=Disease"


def raybel(*arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "raybel", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"raybel {arguments[0]} failed with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def without(source: Path, seen: set[str], target: Path) -> int:
    """Write a corpus without some documents; how many are left."""
    pieces, left = [], 0
    for piece in read_documents(str(source), ReadOptions()):
        if isinstance(piece, bytes):
            pieces.append(piece)
        elif piece[0].id not in seen:
            pieces.append(piece[1])
            left += 1
    storage.publish(str(target), storage.compress(b"".join(pieces)))
    return left


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    parser.add_argument("--detector", help="a token classifier of the same training corpora")
    parser.add_argument("--bootstrap", type=int, default=1000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home, data = Path(folder), args.data
        mesh, medic = ("--mesh2015-dir", data / "mesh2015"), ("--ctd-medic-diseases", data / "ctd/CTD_diseases.tsv.gz")
        raybel(
            "prepare", "ncbi-disease", "--ncbidisease-dir", data / "ncbi-disease", *medic, "--out-dir", home / "ncbi"
        )
        raybel("prepare", "bc5cdr", "--bc5cdr-dir", data / "bc5cdr", *mesh, "--out-dir", home / "bc5cdr")
        raybel("prepare", "biored", "--biored-dir", data / "biored", *mesh, "--out-dir", home / "biored")
        corpora = [home / name / "train.bioc.xml.gz" for name in ("ncbi", "bc5cdr")]
        trained = [
            "--ontology",
            home / "bc5cdr" / "ontology.arrow",
            *(o for c in corpora for o in ("--train-corpus", c)),
        ]
        raybel("train", "dictionary", *trained, "--type-names", TYPE_NAMES, "--output-dir", home / "dictionary")
        raybel("train", "ngrams", *trained, "--output-dir", home / "ngrams")
        detectors = ["--dictionary", home / "dictionary", *(["--detector", args.detector] if args.detector else [])]
        gold = home / "biored" / "val.bioc.xml.gz"
        seen = {row.doc_id for row in read_rows(map(str, corpora), ReadOptions(), SetAside())}
        print(f"{without(gold, seen, home / 'new.bioc.xml.gz')} documents")
        linking = ["--ontology", home / "bc5cdr" / "ontology.arrow", "--ngrams-model", home / "ngrams"]
        run = ["--existing-annotations", "replace", "--out-corpus", home / "run"]
        raybel("link", "--in-corpus", home / "new.bioc.xml.gz", *detectors, *linking, *run)
        scored = ["--gold-corpus", home / "new.bioc.xml.gz", "--pred-corpus", home / "run"]
        print(raybel("evaluate", "--spans", *scored, "--bootstrap", args.bootstrap))


if __name__ == "__main__":
    main()
