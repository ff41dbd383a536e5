"""Anchors: other systems' published figures, named beside ours where the corpus and the policy agree.

They are of test splits, measured by others with their own dictionaries; docs/scoring.md has their sources and settings.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from raybel.corpus.documents import ReadOptions
from raybel.corpus.reading import read_documents
from raybel.corpus.sources import corpus_files
from raybel.evaluation.config import EvaluateConfig

#: (kind of group, group), as in a summary.
Group = tuple[str, str]
_ALL, _DISEASES, _CHEMICALS = ("all", "all"), ("type", "Disease"), ("type", "Chemical")
_BELHD = "Garda & Leser 2024, arXiv 2401.05125"
_BIOSYN = "github.com/dmis-lab/BioSyn, README"
_ANGEL = "Kim et al. 2024, arXiv 2408.16493"
#: A collection's source, in BioC XML and in BioC JSON.
_SOURCE = re.compile(rb'<source>([^<]*)</source>|"source"\s*:\s*"([^"]*)"')
#: How much a corpus may differ in size from a test split that it is taken for: a few mentions can't be placed.
_TOLERANCE = 0.01


@dataclass(frozen=True)
class AnchorCorpus:
    """A corpus of which figures are published.

    Args:
        name: As `prepare` writes it into a corpus.
        test_mentions: The mentions of its test split, in all, or of each of its types.
    """

    name: str
    test_mentions: Mapping[Group, int]


@dataclass(frozen=True)
class Anchor:
    """A published figure.

    Args:
        corpus: A key of `CORPORA`.
        group: The mentions that it is of.
        policy: The policy that agrees with how it was measured.
        system: The system's name.
        value: Acc@1 on the test split, a share of 1.
        source: Who published it, and where.
    """

    corpus: str
    group: Group
    policy: str
    system: str
    value: float
    source: str


#: By the names of `--anchors`; the sizes are from Dogan et al. 2014 and Li et al. 2016.
CORPORA = {
    "ncbi-disease": AnchorCorpus("NCBI Disease", {_ALL: 960}),
    "bc5cdr": AnchorCorpus("BC5CDR", {_DISEASES: 4424, _CHEMICALS: 5385}),
}
ANCHORS = (
    Anchor("ncbi-disease", _ALL, "belb", "BELHD", 0.876, _BELHD),
    Anchor("ncbi-disease", _ALL, "belb", "GenBioEL", 0.839, _BELHD),
    Anchor("ncbi-disease", _ALL, "belb", "BioSyn", 0.808, _BELHD),
    Anchor("ncbi-disease", _ALL, "biosyn", "BioSyn with SapBERT", 0.924, _BIOSYN),
    Anchor("ncbi-disease", _ALL, "biosyn", "ANGEL", 0.928, _ANGEL),
    Anchor("bc5cdr", _DISEASES, "belb", "BELHD", 0.892, _BELHD),
    Anchor("bc5cdr", _CHEMICALS, "belb", "GenBioEL", 0.946, _BELHD),
    Anchor("bc5cdr", _DISEASES, "biosyn", "BioSyn with SapBERT", 0.935, _BIOSYN),
    Anchor("bc5cdr", _CHEMICALS, "biosyn", "BioSyn with SapBERT", 0.966, _BIOSYN),
)


@dataclass(frozen=True)
class Anchors:
    """The published figures that stand beside an evaluation's scores.

    Args:
        figures: Of the corpus, and of the groups and policies that were scored.
        sentences: What they are, and whether the gold corpus is the split that they are of; or why there are none,
            where they were asked for.
    """

    figures: tuple[Anchor, ...] = ()
    sentences: tuple[str, ...] = ()


def anchors_beside(config: EvaluateConfig, types: Sequence[str], golds: Sequence[Sequence[str] | None]) -> Anchors:
    """Return the published figures that belong beside an evaluation's scores; none of a corpus that isn't known.

    Args:
        config: What is scored; `anchors` names the corpus, else its own name is looked up.
        types: Each gold mention's type.
        golds: Each gold mention's ids, None where it isn't annotated.

    Raises:
        InputError: A gold file can't be read.
    """
    asked = {anchor.policy for anchor in ANCHORS}.intersection(config.policies)
    if config.anchors == "none" or not asked:
        return Anchors()
    key = config.anchors or corpus_of(file for file, _ in corpus_files(config.gold_corpus))
    annotated = Counter(kind for kind, ids in zip(types, golds, strict=True) if ids is not None)
    sizes = {_ALL: annotated.total()} | {("type", kind): number for kind, number in annotated.items()}
    figures = tuple(
        anchor for anchor in ANCHORS if anchor.corpus == key and anchor.policy in asked and sizes.get(anchor.group)
    )
    if figures:
        return Anchors(figures, _sentences(CORPORA[figures[0].corpus], sizes))
    if config.anchors is None:
        return Anchors()
    types_of_corpus = " or ".join(kind for _, kind in CORPORA[config.anchors].test_mentions)
    return Anchors((), (f"--anchors {config.anchors}: no gold mention has the type {types_of_corpus}.",))


def corpus_of(files: Iterable[str]) -> str | None:
    """Return which of `CORPORA` files are, by the `<source>` that `raybel prepare` writes; None for any other.

    Args:
        files: Files of one corpus, read up to their first document; those of several are none of them.

    Raises:
        InputError: A file can't be read.
    """
    sources: set[str | None] = set()
    for file in files:
        sources.add(_source_of(file))
        if len(sources) > 1:
            break
    return next((key for key, corpus in CORPORA.items() if sources == {corpus.name}), None)


def _source_of(file: str) -> str | None:
    header = next(read_documents(file, ReadOptions()), b"")
    found = _SOURCE.search(header) if isinstance(header, bytes) else None
    return next(name for name in found.groups() if name is not None).decode() if found else None


def _sentences(corpus: AnchorCorpus, sizes: Mapping[Group, int]) -> tuple[str, str]:
    """Say what the figures are, and whether the gold corpus may be the split that they are of."""
    compared = {group: (sizes[group], size) for group, size in corpus.test_mentions.items() if sizes.get(group)}
    numbers = ", ".join(
        f"{own:,}{'' if group == _ALL else f' {group[1]}'} (test split: {size:,})"
        for group, (own, size) in compared.items()
    )
    same_size = all(abs(own - size) <= _TOLERANCE * size for own, size in compared.values())
    return (
        f"Published: on the test split of {corpus.name}, by other systems' authors with vocabularies and dictionaries "
        "of their own; not measured here. Sources and settings: docs/scoring.md.",
        f"Annotated mentions of the gold corpus: {numbers}. "
        + (
            "By its size it is that split."
            if same_size
            else "So it isn't that split, and no more than the rough size can be compared."
        ),
    )
