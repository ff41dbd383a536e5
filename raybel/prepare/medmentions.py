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
from raybel.corpus.spans import Span
from raybel.display import counted
from raybel.errors import ConfigError, DocumentError, InputError
from raybel.files import storage
from raybel.ontology import Ontology
from raybel.prepare import lists, pubtator, splits
from raybel.prepare.common import (
    SPLITS,
    SourceDocument,
    SourceMention,
    find_file,
    locate_mention,
    missing_message,
    plain_id,
)
from raybel.prepare.ids import IdResolver, UncheckedIdResolver
from raybel.prepare.outputs import DropUnlinkable, Outputs
from raybel.prepare.summary import Summary

CORPUS_FILES = ("corpus_pubtator.txt", "corpus_pubtator.txt.gz")
SPLIT_LISTS = {
    split: (f"corpus_pubtator_pmids_{name}.txt", f"corpus_pubtator_pmids_{name}.txt.gz")
    for split, name in (("train", "trng"), ("val", "dev"), ("test", "test"))
}


@configuration
class MedMentionsConfig:
    """What to prepare MedMentions from, and where to write it."""

    medmentions_dir: Annotated[
        FilePath,
        Option("Directory with corpus_pubtator.txt and the lists of PMIDs: full/data or st21pv/data.", "DIR"),
    ]
    #: Of these, `ontology` must be None.
    outputs: Outputs = field(default_factory=Outputs)
    ontology: Annotated[FilePath | None, Option("Check ids against it.", "FILE", made_by="raybel prepare umls")] = None
    clean: Annotated[bool, Option("Leave out repeated and overlapping annotations, then documents without any.")] = (
        False
    )
    drop_unlinkable: DropUnlinkable = False

    def __post_init__(self) -> None:
        if self.outputs.out_ontology:
            raise ConfigError("MedMentions has no ontology to write: `raybel prepare umls` makes one")
        if self.drop_unlinkable and not self.ontology:
            raise ConfigError("only an ontology says which ids are known: give --ontology with --drop-unlinkable")


def prepare_medmentions(config: MedMentionsConfig, say: Callable[[str], None] = lambda line: None) -> Summary:
    """Prepare the corpus; `say` gets a line when a longer step begins.

    Raises:
        InputError: A file is missing or can't be read, a PMID is in two lists, or no document is in any.
        ConfigError: An output can't be written.
    """
    config.outputs.check()
    directory = config.medmentions_dir
    path = find_file(directory, CORPUS_FILES)
    if path is None:
        raise InputError(missing_message(directory, CORPUS_FILES), path=directory)
    split_of, notes = lists.read_splits(_lists_directory(directory), SPLIT_LISTS)
    ontology = Ontology.open(config.ontology) if config.ontology else None
    say(f"reading {path}")
    documents: dict[str, list[SourceDocument]] = {name: [] for name in SPLITS}
    unlisted: list[str] = []
    without_document = dict(split_of)
    cleaner = AnnotationCleaner()
    for document in pubtator.read(path):
        split = split_of.get(document.doc_id)
        if split is None:
            unlisted.append(document.doc_id)
            continue
        without_document.pop(document.doc_id, None)
        cleaned = cleaner(document) if config.clean else document
        if cleaned is not None:
            documents[split].append(cleaned)
    notes += lists.note_ids(unlisted, "document", "in no list of PMIDs, left out")
    notes += lists.note_ids(without_document, "PMID", "of the lists without a document")
    if config.clean:
        notes += cleaner.notes()
    if ontology is None:
        notes.append("ids were not checked, since no --ontology was given: each counts as known")
    if not any(documents.values()):
        raise InputError(
            "holds no document that is in a list of PMIDs: do corpus and lists belong together?", path=path
        )
    corpus = splits.SourceCorpus("MedMentions", directory, SPLIT_LISTS, pubtator.read, "|")
    source_splits = {name: splits.SourceSplit(path, documents[name]) for name in SPLITS}
    resolver = IdResolver(ontology, "|") if ontology else UncheckedIdResolver()
    return splits.resolve_and_write(
        corpus, source_splits, resolver, ontology, config.outputs, config.drop_unlinkable, say, notes
    )


class AnnotationCleaner:
    """Leaves out annotations that repeat or overlap another one, then documents without annotations; counts both.

    Of annotations with the same place, text and id the first stays; of those that overlap none does, as nothing says
    which of them is meant. Annotations whose text isn't at their offsets overlap nothing.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def __call__(self, document: SourceDocument) -> SourceDocument | None:
        """Return a document cleaned, None for one without annotations."""
        first: dict[object, tuple[Span, SourceMention]] = {}
        passages, misplaced = document.bioc_passages(), []
        for mention in document.mentions:
            try:
                _, span = locate_mention(mention, passages, document.doc_id)
            except DocumentError:  # of a document that stays, it is counted and listed later; of another one, here
                misplaced.append(mention)
                continue
            first.setdefault((span.start, span.end, plain_id(mention.ids)), (span, mention))
        self.counts["repeated"] += len(document.mentions) - len(misplaced) - len(first)
        by_place = sorted(first.values(), key=lambda located: (located[0].start, located[0].end))
        starts = [span.start for span, _ in by_place]
        separate, end = [], -1
        for (span, mention), following in zip(by_place, [*starts[1:], math.inf], strict=False):
            if span.start < end or following < span.end:
                self.counts["overlapping"] += 1
            else:
                separate.append(mention)
            end = max(end, span.end)
        if not separate:
            self.counts["empty"] += 1
            self.counts["misplaced"] += len(misplaced)
            return None
        return replace(document, mentions=(*separate, *misplaced))

    def notes(self) -> list[str]:
        """Return a note with the counts of what was left out."""
        counts = self.counts
        misplaced = f", {counted(counts['misplaced'], 'misplaced annotation')} with them" if counts["misplaced"] else ""
        return [
            f"cleaned: {counts['repeated']:,} repeated and {counted(counts['overlapping'], 'overlapping annotation')} "
            f"left out, then {counted(counts['empty'], 'document')} without annotations{misplaced}"
        ]


def _lists_directory(directory: str) -> str:
    """The directory of the lists of PMIDs: the corpus has them in `full/data` alone, for ST21pv too."""
    full = storage.join(directory, "..", "..", "full", "data")
    if any(find_file(directory, names) for names in SPLIT_LISTS.values()) or "://" in directory:
        return directory
    return full if any(find_file(full, names) for names in SPLIT_LISTS.values()) else directory
