"""The way of every corpus: find its splits, read them, resolve ids, then write all outputs or none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import bioc as model

from raybel.corpus.chunks import write_corpus
from raybel.corpus.documents import GOLD, TYPE
from raybel.errors import DocumentError, InputError
from raybel.ontology import Ontology
from raybel.prepare import lists
from raybel.prepare.common import SPLITS, SourceDocument, SourceMention, find, missing, place
from raybel.prepare.ids import LINKABLE, UNKNOWN, AnyId, IdMap
from raybel.prepare.outputs import Outputs
from raybel.prepare.summary import MISPLACED, SplitSummary, Summary

#: Infon that holds the id column as its file has it, where `concept_id` says it in other characters.
SOURCE_ID = "source_id"


@dataclass(frozen=True)
class Source:
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

    def find(self) -> dict[str, str | None]:
        """Return the file of each split, None for a split that isn't there.

        Raises:
            InputError: None is there.
        """
        found = {name: find(self.directory, self.files[name]) for name in SPLITS}
        if not any(found.values()):
            names = [name for split in SPLITS for name in self.files[split]]
            raise InputError(missing(self.directory, names), path=self.directory)
        return found


def run(
    source: Source,
    read_ontology: Callable[[], Ontology],
    outputs: Outputs,
    drop_unlinkable: bool,
    say: Callable[[str], None],
) -> Summary:
    """Prepare a corpus and its ontology; nothing is written before everything could be read.

    Args:
        source: The corpus.
        read_ontology: Called once the corpus is found.
        outputs: Where to.
        drop_unlinkable: Leave out every mention that isn't one id of the ontology.
        say: Gets a line when a longer step begins.

    Raises:
        ConfigError: An output's name is wrong, or it can't be written.
        InputError: An input is missing or can't be read.
    """
    outputs.check()
    paths = source.find()
    say("reading the ontology")
    ontology = read_ontology()
    parts = {name: None if path is None else Part(path, source.read(path)) for name, path in paths.items()}
    return assemble(source, parts, IdMap(ontology, source.separators), ontology, outputs, drop_unlinkable, say)


@dataclass(frozen=True)
class Part:
    """A split's documents, and the file that they are from."""

    path: str
    documents: Iterable[SourceDocument]


def assemble(
    source: Source,
    parts: Mapping[str, Part | None],
    id_map: IdMap | AnyId,
    ontology: Ontology | None,
    outputs: Outputs,
    drop_unlinkable: bool,
    say: Callable[[str], None],
    notes: Iterable[str] = (),
) -> Summary:
    """Resolve the ids of all splits, then write what is asked for.

    Args:
        source: The corpus.
        parts: Its splits, None for one that isn't there.
        id_map: Reads id columns.
        ontology: What ids belong to; None where that isn't known.
        outputs: Where to.
        drop_unlinkable: Leave out every mention that isn't one known id.
        say: Gets a line when a longer step begins.
        notes: What a person should know already.
    """
    told, splits = list(notes), []
    documents: dict[str, list[model.BioCDocument]] = {}
    holders: dict[str, list[str]] = {}
    for name, part in parts.items():
        split = SplitSummary(name, part.path if part else None)
        splits.append(split)
        target = getattr(outputs, name)
        if part is None:
            unwritten = f"; {target} is not written" if target else ""
            absent = missing(source.directory, source.files[name])
            told.append(f"{name}: skipped, {source.directory} {absent}{unwritten}")
            continue
        say(f"reading {part.path}")
        documents[name] = [
            _document(each, split, id_map, drop_unlinkable) for each in _distinct(part.documents, split, part.path)
        ]
        for document in documents[name]:
            holders.setdefault(document.id, []).append(name)
    told += [
        f"{split.name}: more ids are unknown to the ontology than known; does {ontology.path} belong to this corpus?"
        for split in splits
        if ontology and split.kinds[UNKNOWN] > split.kinds[LINKABLE]
    ]
    for split in splits:
        unknown = [f"{one} ({count:,})" for one, count in split.unknown_ids.most_common(lists.SHOWN)]
        told += lists.listed(
            unknown, f"distinct ids of {split.name} are unknown to the ontology", len(split.unknown_ids)
        )
    told += [f"document {key} stands in {' and '.join(names)}" for key, names in holders.items() if len(names) > 1]
    written = []
    for split in splits:
        target = getattr(outputs, split.name)
        if target and split.name in documents:
            say(f"writing {target}")
            write_corpus(target, documents[split.name], source.name)
            written.append((target, f"{split.documents:,} documents, {split.kept:,} mentions"))
    if outputs.ontology and ontology:
        say(f"writing {outputs.ontology}")
        ontology.save(outputs.ontology)
        written.append((outputs.ontology, f"{len(ontology):,} concepts"))
    return Summary(source.name, tuple(splits), ontology.stats() if ontology else {}, tuple(told), tuple(written))


def _distinct(documents: Iterable[SourceDocument], split: SplitSummary, path: str) -> Iterator[SourceDocument]:
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
                f"{document.where}: this document stands at {first.where} too, with other text or annotations",
                path=path,
                document=document.doc_id,
            )


def _document(source: SourceDocument, split: SplitSummary, id_map: IdMap | AnyId, drop: bool) -> model.BioCDocument:
    document = model.BioCDocument()
    document.id, document.passages = source.doc_id, source.bioc_passages()
    split.documents += 1
    split.relations += source.relations
    for number, mention in enumerate(source.mentions):
        split.mentions += 1
        try:
            passage, span = place(mention, document.passages, source.doc_id)
        except DocumentError as error:
            split.dropped[MISPLACED] += 1
            split.details.append(f"{mention.where}, document {source.doc_id}: {_reason(mention, error)}, dropped")
            continue
        split.repaired_spans += span.repaired
        resolved = id_map.resolve(mention.ids)
        split.kinds[resolved.kind] += 1
        split.unknown_ids.update(resolved.unknown)
        split.alternatives += resolved.alternatives
        split.repaired_ids += resolved.repaired
        if drop and resolved.kind != LINKABLE:
            split.dropped[resolved.kind] += 1
            continue
        annotation = model.BioCAnnotation()
        annotation.id, annotation.text = str(number), span.text
        annotation.infons = {TYPE: mention.type, GOLD: resolved.concept_id}
        if mention.ids and mention.ids != resolved.concept_id:
            annotation.infons[SOURCE_ID] = mention.ids
        pieces = mention.locations if len(mention.locations) > 1 else ((span.start, span.end - span.start),)
        annotation.locations = [model.BioCLocation(*piece) for piece in pieces]
        document.passages[passage].annotations.append(annotation)
    return document


def _reason(mention: SourceMention, error: DocumentError) -> str:
    message = error.message.removeprefix(f"annotation {mention.where} ")
    return message if repr(mention.text) in message else f"{mention.text!r} {message}"
