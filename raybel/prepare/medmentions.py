"""MedMentions (Mohan & Li, AKBC 2019), abstracts annotated with UMLS concepts: the full corpus, or the subset ST21pv.

Files: https://github.com/chanzuckerberg/MedMentions - all documents in one PubTator file, and for each split the list
of its PMIDs. Ids are CUIs, with `UMLS:` before them in some releases. UMLS itself needs a licence: `raybel prepare
umls` reads a release of it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import field, replace
from typing import Annotated

from raybel.config import FilePath, Option, configuration
from raybel.corpus.documents import Span
from raybel.errors import ConfigError, DocumentError, InputError
from raybel.files import storage
from raybel.ontology import Ontology
from raybel.prepare import lists, pubtator, splits
from raybel.prepare.common import SPLITS, SourceDocument, SourceMention, find, missing, place, plain_id
from raybel.prepare.ids import AnyId, IdMap
from raybel.prepare.outputs import DropUnlinkable, Outputs
from raybel.prepare.summary import Summary

CORPUS = ("corpus_pubtator.txt", "corpus_pubtator.txt.gz")
LISTS = {
    split: (f"corpus_pubtator_pmids_{name}.txt", f"corpus_pubtator_pmids_{name}.txt.gz")
    for split, name in (("train", "trng"), ("val", "dev"), ("test", "test"))
}


@configuration
class MedMentionsConfig:
    """What to prepare, and where to write it."""

    medmentions_dir: Annotated[
        FilePath,
        Option("Directory with corpus_pubtator.txt and the lists of PMIDs: full/data or st21pv/data.", "DIR"),
    ]
    #: No ontology is written.
    outputs: Outputs = field(default_factory=Outputs)
    ontology: Annotated[FilePath | None, Option("Check ids against it.", "FILE", made_by="raybel prepare umls")] = None
    clean: Annotated[bool, Option("Leave out repeated and overlapping annotations, then documents without any.")] = (
        False
    )
    drop_unlinkable: DropUnlinkable = False

    def __post_init__(self) -> None:
        if self.outputs.ontology:
            raise ConfigError("MedMentions has no ontology to write: `raybel prepare umls` makes one")
        if self.drop_unlinkable and not self.ontology:
            raise ConfigError("which ids are known only an ontology tells: give --ontology with --drop-unlinkable")


def prepare_medmentions(config: MedMentionsConfig, say: Callable[[str], None] = lambda line: None) -> Summary:
    """Prepare the corpus; `say` gets a line when a longer step begins.

    Raises:
        InputError: A file is missing or can't be read, a PMID stands in two lists, or a document is in none.
        ConfigError: An output can't be written.
    """
    config.outputs.check()
    directory = config.medmentions_dir
    path = find(directory, CORPUS)
    if path is None:
        raise InputError(missing(directory, CORPUS), path=directory)
    split_of, notes = lists.read(_home_of_lists(directory), LISTS)
    ontology = Ontology.open(config.ontology) if config.ontology else None
    say(f"reading {path}")
    held: dict[str, list[SourceDocument]] = {name: [] for name in SPLITS}
    left_out: list[str] = []
    absent = dict(split_of)
    cleaned = Cleaned()
    for document in pubtator.read(path):
        split = split_of.get(document.doc_id)
        if split is None:
            left_out.append(document.doc_id)
            continue
        absent.pop(document.doc_id, None)
        kept = cleaned(document) if config.clean else document
        if kept is not None:
            held[split].append(kept)
    notes += lists.listed(left_out, "documents are in no list of PMIDs and were left out")
    notes += lists.listed(absent, "PMIDs of the lists have no document")
    if config.clean:
        notes += cleaned.notes()
    if ontology is None:
        notes.append("ids were not checked, since no --ontology was given: each counts as known")
    if not any(held.values()):
        raise InputError(
            "holds no document that is in a list of PMIDs: do corpus and lists belong together?", path=path
        )
    source = splits.Source("MedMentions", directory, LISTS, pubtator.read, "|")
    parts = {name: splits.Part(path, documents) for name, documents in held.items()}
    id_map = IdMap(ontology, "|") if ontology else AnyId()
    return splits.assemble(source, parts, id_map, ontology, config.outputs, config.drop_unlinkable, say, notes)


class Cleaned:
    """Leaves out annotations that repeat or overlap another one, then documents without annotations; counts both.

    Of annotations with the same place, text and id the first stays; of those that overlap none does, as nothing says
    which of them is meant. Those that aren't at the place that they name overlap nothing.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def __call__(self, document: SourceDocument) -> SourceDocument | None:
        """Return a cleaned document, None for one without annotations."""
        first: dict[object, tuple[Span, SourceMention]] = {}
        passages, misplaced = document.bioc_passages(), []
        for mention in document.mentions:
            try:
                _, span = place(mention, passages, document.doc_id)
            except DocumentError:  # counted and listed with the documents that stay, counted here with the others
                misplaced.append(mention)
                continue
            first.setdefault((span.start, span.end, plain_id(mention.ids)), (span, mention))
        self.counts["repeated"] += len(document.mentions) - len(misplaced) - len(first)
        by_place = sorted(first.values(), key=lambda each: (each[0].start, each[0].end))
        starts = [span.start for span, _ in by_place]
        kept, end = [], -1
        for (span, mention), following in zip(by_place, [*starts[1:], math.inf], strict=False):
            if span.start < end or following < span.end:
                self.counts["overlapping"] += 1
            else:
                kept.append(mention)
            end = max(end, span.end)
        if not kept:
            self.counts["empty"] += 1
            self.counts["misplaced"] += len(misplaced)
            return None
        return replace(document, mentions=(*kept, *misplaced))

    def notes(self) -> list[str]:
        """Return what was left out."""
        counts = self.counts
        return [
            f"cleaned: {counts['repeated']:,} repeated and {counts['overlapping']:,} overlapping annotations left out, "
            f"then {counts['empty']:,} documents without annotations"
            + (f" ({counts['misplaced']:,} of theirs weren't where they said)" if counts["misplaced"] else "")
        ]


def _home_of_lists(directory: str) -> str:
    """Return where the lists of PMIDs are: the corpus has them in `full/data` alone, for ST21pv too."""
    both = storage.join(directory, "..", "..", "full", "data")
    if any(find(directory, names) for names in LISTS.values()) or "://" in directory:
        return directory
    return both if any(find(both, names) for names in LISTS.values()) else directory
