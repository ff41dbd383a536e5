"""Time and peak memory of preparing HPO and MONDO, and of enriching MEDIC, and an ontology of UMLS' size.

    python tests/benchmarks/ontology_sources.py [--data ../shared/data] [--umls] [--share 1.0]

Each step runs in a process of its own. With `--umls`: 3.4 million made-up concepts with 7.4 million names, a tenth of
them mapped to another ontology of 340,000 concepts with 1.4 million names; 5 minutes, 2 GB of disk, 2.1 GB of memory.
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from raybel.ontology import Concept, Ontology
from raybel.prepare import medic
from raybel.prepare.alias_sources import StripConfig, strip_aliases
from raybel.prepare.enrich import EnrichConfig, enrich_ontology
from raybel.prepare.merge import MergeConfig, merge_ontologies
from raybel.prepare.obo import OboConfig, prepare_obo

CONCEPTS = 3_400_000
SYLLABLES = [a + b for a in "bcdfglmnprstv" for b in ("a", "e", "i", "o", "u", "an", "er", "in", "ol", "us")]


def make(home: Path, share: float) -> None:
    """Write an ontology of UMLS' size, another one, and mappings between them."""
    count = int(CONCEPTS * share)
    chance = random.Random(1)

    def words() -> str:
        return " ".join("".join(chance.choices(SYLLABLES, k=3)) for _ in range(chance.randint(2, 5)))

    def large() -> Iterator[Concept]:
        for number in range(count):
            aliases = [words() for _ in range(chance.choice((0, 0, 1, 1, 4)))]
            yield Concept(f"C{number:07d}", words(), aliases, words() if number % 10 == 0 else "", ["T047"])

    def other() -> Iterator[Concept]:
        for number in range(0, count, 10):
            yield Concept(f"SRC:{number}", words(), [words() for _ in range(3)])

    Ontology.from_concepts(large()).save(str(home / "large.arrow"))
    Ontology.from_concepts(other()).save(str(home / "other.arrow"))
    with open(home / "large.sssom.tsv", "w") as file:
        file.write("subject_id\tpredicate_id\tobject_id\n")
        file.writelines(f"SRC:{number}\tskos:exactMatch\tUMLS:C{number:07d}\n" for number in range(0, count, 10))


def step(name: str, data: Path, home: Path, share: float) -> int:
    """Do a step; return the number of concepts that it wrote."""
    mappings = tuple(str(data / "mondo" / f"mondo_exactmatch_{other}.sssom.tsv.gz") for other in ("mesh", "omim"))
    path = {each: str(home / f"{each}.arrow") for each in ("hpo", "mondo", "medic", "plus", "large", "other", "out")}
    match name:
        case "prepare HPO":
            return prepare_obo(OboConfig(str(data / "hpo" / "hp.obo.gz"), path["hpo"])).ontology["concepts"]
        case "prepare MONDO":
            return prepare_obo(OboConfig(str(data / "mondo" / "mondo.obo.gz"), path["mondo"])).ontology["concepts"]
        case "prepare MEDIC":
            medic.read_ontology(str(data / "ctd" / "CTD_diseases.tsv.gz")).save(path["medic"])
            return len(Ontology.open(path["medic"]))
        case "enrich MEDIC from MONDO":
            return enrich_ontology(EnrichConfig(path["medic"], (path["mondo"],), mappings, path["plus"])).concepts
        case "strip MONDO's names":
            return len(strip_aliases(StripConfig(path["plus"], ("mondo",), path["out"]))[0])
        case "merge MEDIC, MONDO, HPO":
            three = (path["medic"], path["mondo"], path["hpo"])
            return merge_ontologies(MergeConfig(three, path["out"], mappings)).concepts
        case "make UMLS' size":
            make(home, share)
            return int(CONCEPTS * share)
        case "enrich UMLS' size":
            large = (str(home / "large.sssom.tsv"),)
            summary = enrich_ontology(EnrichConfig(path["large"], (path["other"],), large, path["plus"]))
            print(f"{dict(summary.names)}", file=sys.stderr)
            return summary.concepts
        case "strip UMLS' size":
            return len(strip_aliases(StripConfig(path["plus"], ("other",), path["out"]))[0])
        case _:
            return 0


STEPS = (
    *("nothing but imports", "prepare HPO", "prepare MONDO", "prepare MEDIC", "enrich MEDIC from MONDO"),
    *("strip MONDO's names", "merge MEDIC, MONDO, HPO"),
)
UMLS_STEPS = ("make UMLS' size", "enrich UMLS' size", "strip UMLS' size")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    parser.add_argument("--umls", action="store_true", help="Also at UMLS' size.")
    parser.add_argument("--share", type=float, default=1.0, help="Of UMLS' size.")
    parser.add_argument("--inside", nargs=2, metavar=("STEP", "HOME"))
    args = parser.parse_args()
    if args.inside:
        begun = time.perf_counter()
        count = step(args.inside[0], args.data, Path(args.inside[1]), args.share)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"| {args.inside[0]} | {count:,} | {time.perf_counter() - begun:.1f} | {peak:.2f} |", flush=True)
        return
    print("| step | concepts | seconds | peak, GB resident |")
    print("| --- | --- | --- | --- |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in (*STEPS, *(UMLS_STEPS if args.umls else ())):
            options = ["--data", str(args.data), "--share", str(args.share), "--inside", name, folder]
            subprocess.run([sys.executable, __file__, *options], check=True)


if __name__ == "__main__":
    main()
