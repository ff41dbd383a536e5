"""Precision and recall of abbreviation finding on 50 abstracts judged by eye.

    python tests/benchmarks/abbreviation_precision.py [DATA_DIR]

DATA_DIR holds ncbi-disease/ and bc5cdr/ (default: ../shared/data beside the repository). The abstracts are 25 of
NCBI Disease (train, dev) and 25 of BC5CDR (train, dev), drawn with `SEED` among those with a bracket. The verdicts
(fixtures/abbreviation_verdicts.tsv) are by short form: right, wrong (a long form with a wrong border is wrong too) or
missed (defined there, not found). The corpora's text stays out of the repository: a digest of the long form tells
whether the pair found is still the one that was judged. A pair found without a verdict is listed, counts neither for
nor against, and makes the exit status 1.
"""

from __future__ import annotations

import hashlib
import random
import sys
from collections import Counter
from pathlib import Path

from raybel.corpus.abbreviations import find_abbreviations

SEED = 2003
PER_CORPUS = 25
FILES = {
    "ncbi": ["ncbi-disease/NCBItrainset_corpus.txt", "ncbi-disease/NCBIdevelopset_corpus.txt"],
    "bc5cdr": ["bc5cdr/CDR_TrainingSet.PubTator.txt", "bc5cdr/CDR_DevelopmentSet.PubTator.txt"],
}
ROOT = Path(__file__).resolve().parents[2]
VERDICTS = ROOT / "tests/fixtures/abbreviation_verdicts.tsv"

Pair = tuple[str, str, str, str]  # corpus, PMID, short form, digest of the long form


def digest(long: str) -> str:
    """First 8 hexadecimal digits of the long form's SHA-256."""
    return hashlib.sha256(long.encode()).hexdigest()[:8]


def abstracts(data: Path, corpus: str) -> dict[str, str]:
    """Title and abstract by PMID, joined by a space."""
    texts: dict[str, list[str]] = {}
    for name in FILES[corpus]:
        for line in (data / name).read_text(encoding="utf-8").splitlines():
            fields = line.split("|", 2)
            if len(fields) == 3 and fields[1] in ("t", "a"):
                texts.setdefault(fields[0], []).append(fields[2])
    return {pmid: " ".join(parts) for pmid, parts in texts.items()}


def sample(data: Path, corpus: str) -> dict[str, str]:
    """The seeded choice of abstracts of one corpus."""
    texts = abstracts(data, corpus)
    with_bracket = sorted(pmid for pmid, text in texts.items() if "(" in text or "[" in text)
    return {pmid: texts[pmid] for pmid in random.Random(SEED).sample(with_bracket, PER_CORPUS)}


def found_pairs(data: Path) -> list[tuple[Pair, str]]:
    """All pairs found in the sample, each with its long form."""
    pairs = []
    for corpus in FILES:
        for pmid, text in sample(data, corpus).items():
            for found in find_abbreviations(text):
                pairs.append(((corpus, pmid, found.short, digest(found.long)), found.long))
    return pairs


def main() -> int:
    """Print the figures; 0 if every pair found has a verdict."""
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared/data"
    verdicts: dict[str, Counter[Pair]] = {"right": Counter(), "wrong": Counter(), "missed": Counter()}
    for line in VERDICTS.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            corpus, pmid, short, verdict, *rest = line.split("\t")
            verdicts[verdict][corpus, pmid, short, rest[0] if rest else ""] += 1
    count: Counter[tuple[str, str]] = Counter()
    lacking: list[tuple[Pair, str]] = []
    left = {verdict: Counter(rows) for verdict, rows in verdicts.items()}
    for pair, long in found_pairs(data):
        judgement = next((name for name in ("right", "wrong") if left[name][pair] > 0), None)
        if judgement is None:
            lacking.append((pair, long))
        else:
            left[judgement][pair] -= 1
            count[pair[0], judgement] += 1
    for name, corpora in (*((corpus, [corpus]) for corpus in FILES), ("both", list(FILES))):
        right = sum(count[corpus, "right"] for corpus in corpora)
        judged = right + sum(count[corpus, "wrong"] for corpus in corpora)
        true = sum(n for kind in ("right", "missed") for pair, n in verdicts[kind].items() if pair[0] in corpora)
        print(
            f"{name:8}precision {right}/{judged} = {right / max(judged, 1):.3f}   "
            f"recall {right}/{true} = {right / max(true, 1):.3f}"
        )
    for pair, n in sorted(left["right"].items()):
        if n:
            print(f"no longer found: {' '.join(pair[:3])}")
    for pair, long in lacking:
        print(f"NO VERDICT: {' '.join(pair[:3])} = {long}")
    if lacking:
        print(f"{len(lacking)} pairs found have no verdict and are not in the figures: judge them first")
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main())
