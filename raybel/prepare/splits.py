"""How every corpus is prepared: find its splits, read them, resolve ids, then write all outputs or none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import bioc as model

from raybel.corpus.documents import GOLD_INFON, TYPE_INFON
from raybel.corpus.reading import write_corpus
from raybel.display import counted
from raybel.errors import DocumentError, InputError
from raybel.ontology import Ontology
from raybel.prepare import lists
from raybel.prepare.common import SPLITS, SourceDocument, SourceMention, find_file, locate_mention, missing_message
from raybel.prepare.ids import LINKABLE, UNKNOWN, IdResolver, UncheckedIdResolver
from raybel.prepare.outputs import Outputs
from raybel.prepare.summary import MISPLACED, SplitSummary, Summary, counts_of

#: The infon for the id column as its file has it, where `concept_id` differs from it.
SOURCE_ID = "source_id"


@dataclass(frozen=True)
class SourceCorpus:
    """A corpus as it is distributed.

    Args:
        name: For messages and for the BioC `<source>`.
        directory: Where its files are.
        files: File names of each split, the preferred first.
        read: Yields a file's documents.
        separators: Characters between the ids of a composite.
    """

    name: str
    directory: str
    files: Mapping[str, tuple[str, ...]]
    read: Callable[[str], Iterable[SourceDocument]]
    separators: str

    def find_splits(self) -> dict[str, str | None]:
        """Return the file of each split, None for a split that isn't there.

        Raises:
            InputError: No split is there.
        """
        paths = {name: find_file(self.directory, self.files[name]) for name in SPLITS}
        if not any(paths.values()):
            names = [name for split in SPLITS for name in self.files[split]]
            raise InputError(missing_message(self.directory, names), path=self.directory)
        return paths


@dataclass(frozen=True)
class SourceSplit:
    """A split's documents, and the file that they are from."""

    path: str
    documents: Iterable[SourceDocument]


def prepare_corpus(
    corpus: SourceCorpus,
    read_ontology: Callable[[], Ontology],
    outputs: Outputs,
    drop_unlinkable: bool,
    say: Callable[[str], None],
) -> Summary:
    """Prepare a corpus and its ontology; nothing is written before everything could be read.

    Args:
        corpus: The corpus.
        read_ontology: Called once the corpus is found.
        outputs: Where to write.
        drop_unlinkable: Leave out every mention that isn't one id of the ontology.
        say: Gets a line when a longer step begins.

    Raises:
        ConfigError: An output's name is wrong, or it can't be written.
        InputError: An input is missing or can't be read.
    """
    outputs.check()
    paths = corpus.find_splits()
    say("reading the ontology")
    ontology = read_ontology()
    source_splits = {
        name: None if path is None else SourceSplit(path, corpus.read(path)) for name, path in paths.items()
    }
    resolver = IdResolver(ontology, corpus.separators)
    return resolve_and_write(corpus, source_splits, resolver, ontology, outputs, drop_unlinkable, say)


def resolve_and_write(
    corpus: SourceCorpus,
    source_splits: Mapping[str, SourceSplit | None],
    resolver: IdResolver | UncheckedIdResolver,
    ontology: Ontology | None,
    outputs: Outputs,
    drop_unlinkable: bool,
    say: Callable[[str], None],
    notes: Iterable[str] = (),
) -> Summary:
    """Resolve the ids of all splits, then write the outputs that are asked for.

    Args:
        corpus: The corpus.
        source_splits: Its splits by name, None for one that isn't there.
        resolver: Resolves id columns.
        ontology: The ontology of the ids; None where there is none at hand.
        outputs: Where to write.
        drop_unlinkable: Leave out every mention that isn't one known id.
        say: Gets a line when a longer step begins.
        notes: Notes on what was read before; they come first in the summary.

    Raises:
        InputError: A document can't be read, or appears twice with different content.
    """
    notes = list(notes)
    splits: list[SplitSummary] = []
    documents: dict[str, list[model.BioCDocument]] = {}
    for name, source in source_splits.items():
        split = SplitSummary(name, source.path if source else None)
        splits.append(split)
        if source is None:
            notes.append(_skipped(name, corpus, getattr(outputs, f"out_{name}")))
            continue
        say(f"reading {source.path}")
        documents[name] = [
            _to_bioc(document, split, resolver, drop_unlinkable)
            for document in _distinct(source.documents, split, source.path)
        ]
    notes += [*_unknown_id_notes(splits, ontology), *_shared_document_notes(documents)]
    written = []
    for split in splits:
        target = getattr(outputs, f"out_{split.name}")
        if target and split.name in documents:
            say(f"writing {target}")
            write_corpus(target, documents[split.name], corpus.name)
            content = f"{counted(split.documents, 'document')}, {counted(split.kept_mentions, 'mention')}"
            written.append((target, content))
    if outputs.out_ontology and ontology:
        say(f"writing {outputs.out_ontology}")
        ontology.save(outputs.out_ontology)
        written.append((outputs.out_ontology, counted(len(ontology), "concept")))
    return Summary(corpus.name, tuple(splits), counts_of(ontology) if ontology else {}, tuple(notes), tuple(written))


def _skipped(name: str, corpus: SourceCorpus, target: str | None) -> str:
    """A note on a split that isn't there."""
    unwritten = f"; {target} is not written" if target else ""
    return f"{name}: skipped, {corpus.directory} {missing_message(corpus.directory, corpus.files[name])}{unwritten}"


def _unknown_id_notes(splits: Iterable[SplitSummary], ontology: Ontology | None) -> list[str]:
    """Notes on ids that the ontology doesn't know, and on splits where they are the most."""
    notes = [
        f"{split.name}: more ids are unknown to the ontology than known; does {ontology.path} belong to this corpus?"
        for split in splits
        if ontology and split.kinds[UNKNOWN] > split.kinds[LINKABLE]
    ]
    for split in splits:
        ids = [f"{concept_id} ({count:,})" for concept_id, count in split.unknown_ids.most_common(lists.MAX_NOTED)]
        condition = f"of {split.name} unknown to the ontology"
        notes += lists.note_ids(ids, "distinct id", condition, len(split.unknown_ids))
    return notes


def _shared_document_notes(documents: Mapping[str, Iterable[model.BioCDocument]]) -> list[str]:
    """A note on each document that is in several splits."""
    splits_of: dict[str, list[str]] = {}
    for name, split_documents in documents.items():
        for document in split_documents:
            splits_of.setdefault(document.id, []).append(name)
    return [f"document {doc_id} is in {' and '.join(names)}" for doc_id, names in splits_of.items() if len(names) > 1]


def _distinct(documents: Iterable[SourceDocument], split: SplitSummary, path: str) -> Iterator[SourceDocument]:
    """Yield documents without identical repeats, which `split` counts.

    Raises:
        InputError: Two documents of one id differ.
    """
    seen: dict[str, SourceDocument] = {}
    for document in documents:
        first = seen.setdefault(document.doc_id, document)
        if first is document:
            yield document
        elif first == document:
            split.repeated += 1
            split.details.append(
                f"{document.where}, document {document.doc_id}: the same as at {first.where}, left out"
            )
        else:
            raise InputError(
                f"{document.where}: this document is at {first.where} too, with other text or annotations",
                path=path,
                document=document.doc_id,
            )


def _to_bioc(
    source: SourceDocument, split: SplitSummary, resolver: IdResolver | UncheckedIdResolver, drop_unlinkable: bool
) -> model.BioCDocument:
    """A document with its mentions placed and resolved; `split` counts what happens to each."""
    document = model.BioCDocument()
    document.id, document.passages = source.doc_id, source.bioc_passages()
    split.documents += 1
    split.relations += source.relations
    for number, mention in enumerate(source.mentions):
        split.mentions += 1
        try:
            passage, span = locate_mention(mention, document.passages, source.doc_id)
        except DocumentError as error:
            split.dropped[MISPLACED] += 1
            split.details.append(f"{mention.where}, document {source.doc_id}: {_reason(mention, error)}, dropped")
            continue
        split.repaired_spans += span.repaired
        resolved = resolver.resolve(mention.ids)
        split.kinds[resolved.kind] += 1
        split.unknown_ids.update(resolved.unknown)
        split.alternatives += resolved.alternatives
        split.repaired_ids += resolved.repaired
        if drop_unlinkable and resolved.kind != LINKABLE:
            split.dropped[resolved.kind] += 1
            continue
        annotation = model.BioCAnnotation()
        annotation.id, annotation.text = str(number), span.text
        annotation.infons = {TYPE_INFON: mention.type, GOLD_INFON: resolved.concept_id}
        if mention.ids and mention.ids != resolved.concept_id:
            annotation.infons[SOURCE_ID] = mention.ids
        pieces = mention.locations if len(mention.locations) > 1 else ((span.start, span.end - span.start),)
        annotation.locations = [model.BioCLocation(*piece) for piece in pieces]
        document.passages[passage].annotations.append(annotation)
    return document


def _reason(mention: SourceMention, error: DocumentError) -> str:
    """Why a mention is misplaced, with its text."""
    message = error.message.removeprefix(f"annotation {mention.where} ")
    return message if repr(mention.text) in message else f"{mention.text!r} {message}"
