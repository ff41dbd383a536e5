"""What all corpora share: documents as their files have them, and reading files with errors that say where."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import IO

import bioc as model
from isal.isal_zlib import IsalError

from raybel.corpus.spans import Span, locate
from raybel.errors import DocumentError, InputError
from raybel.files import storage
from raybel.ontology import Concept, Ontology
from raybel.prepare.cleaning import NameCleaner

#: Bytes of a line; longer ones are no lines of a corpus or a vocabulary, and memory holds one at a time.
MAX_LINE_BYTES = 64 << 20
#: The splits in the order in which they are read and shown.
SPLITS = ("train", "val", "test")
#: Prefixes of ids in some corpora, but in no ontology.
_PREFIXES = ("MESH:", "UMLS:")


@dataclass(frozen=True)
class SourceMention:
    """An annotation as its file has it, unchecked.

    Args:
        locations: (offset, length) of its pieces, in code points from the document's start.
        text: The text that the file says is there.
        type: The entity's type.
        ids: The id column or infon as written, "" where it is empty.
        where: Place in the file, for messages; it doesn't count when mentions are compared.
    """

    locations: tuple[tuple[int, int], ...]
    text: str
    type: str
    ids: str
    where: str = field(compare=False)


@dataclass(frozen=True)
class SourceDocument:
    """A document as its file has it; equal to another if everything but its place in the file is the same.

    Args:
        doc_id: Its id, a PMID in the corpora that we read.
        passages: (kind, or infons as pairs; offset in code points; text) of each passage, in document order.
        mentions: Its annotations, in file order.
        relations: Number of relations, which are not read.
        where: Place in the file, for messages.
    """

    doc_id: str
    passages: tuple[tuple[str | tuple[tuple[str, str], ...], int, str], ...]
    mentions: tuple[SourceMention, ...]
    relations: int
    where: str = field(compare=False)

    def bioc_passages(self) -> list[model.BioCPassage]:
        """Return its passages as bioc's class, still without annotations."""
        passages = []
        for kind, offset, text in self.passages:
            passage = model.BioCPassage()
            infons = {"type": kind} if isinstance(kind, str) else dict(kind)
            passage.offset, passage.text, passage.infons = offset, text, infons
            passages.append(passage)
        return passages


def locate_mention(mention: SourceMention, passages: Sequence[model.BioCPassage], doc_id: str) -> tuple[int, Span]:
    """Return a mention's passage (index) and span, repaired where `raybel.corpus.documents` knows how.

    The passage in which it starts is tried first, then the others: damaged offsets may point into a neighbour.

    Raises:
        DocumentError: The mention's text isn't at its offsets, or it crosses the end of a passage.
    """
    annotation = model.BioCAnnotation()
    annotation.id, annotation.text = mention.where, mention.text
    annotation.locations = [model.BioCLocation(*location) for location in mention.locations]
    start = mention.locations[0][0] if mention.locations else 0
    stated = max((i for i, passage in enumerate(passages) if passage.offset <= start), default=0)
    first_error: DocumentError | None = None
    for index in sorted(range(len(passages)), key=lambda i: abs(i - stated)):
        try:
            return index, locate(annotation, passages[index], doc_id)
        except DocumentError as error:
            first_error = first_error or error
    raise first_error or DocumentError("the document has no text", document=doc_id)


@contextlib.contextmanager
def open_input(path: str) -> Iterator[IO[bytes]]:
    """Open a file, plain or gzipped; errors in the block name the file.

    Raises:
        InputError: No such file; cut off or damaged.
    """
    try:
        with storage.open_bytes(path) as file:
            yield file
    except InputError as error:
        if error.path:
            raise
        raise InputError(error.message, path=path, document=error.document) from error
    except (EOFError, OSError, IsalError) as error:  # type: ignore[misc]  # isal's stub calls it a value
        raise InputError(f"is cut off or damaged: {error}", path=path) from error


def read_lines(path: str) -> Iterator[tuple[int, str]]:
    r"""Yield (number from 1, text) of a UTF-8 file's lines, which end at `\n` or `\r\n` and nowhere else.

    `str.splitlines` would also cut at U+2028, U+0085 or a form feed, which occur inside texts. A byte order mark is
    left out.

    Raises:
        InputError: Not UTF-8, or a line of more than `MAX_LINE_BYTES` (the line is named); cut off or damaged.
    """
    with open_input(path) as file:
        for number, raw in enumerate(iter(partial(file.readline, MAX_LINE_BYTES + 1), b""), 1):
            if len(raw) > MAX_LINE_BYTES:
                raise InputError(
                    f"line {number}: is longer than {MAX_LINE_BYTES >> 20} MiB: is this the file?", path=path
                )
            try:
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise InputError(f"line {number}: isn't UTF-8 text ({error.reason})", path=path) from error
            yield number, text.removesuffix("\n").removesuffix("\r")


def find_file(directory: str, names: Iterable[str]) -> str | None:
    """Return the first of several file names that is in a directory (or below a URI), None if none is."""
    paths = (storage.join(directory, name) for name in names)
    return next((path for path in paths if storage.identity(path) is not None), None)


def missing_message(directory: str, names: Iterable[str]) -> str:
    """Return the message for files that `find_file` doesn't find: `has no a.txt(.gz)`, and if there is no directory."""
    wanted = dict.fromkeys(names)
    shown = [name + "(.gz)" if name + ".gz" in wanted else name for name in wanted if not name.endswith(".gz")]
    return f"has no {' or '.join(shown)}" + ("" if storage.exists(directory) else ", as there is no such directory")


def plain_id(concept_id: str) -> str:
    """Return an id as raybel's ontologies write it: stripped, without `MESH:` or `UMLS:`; `OMIM:` and others stay."""
    stripped = concept_id.strip()
    prefix = next((prefix for prefix in _PREFIXES if stripped.upper().startswith(prefix)), "")
    return stripped[len(prefix) :].strip()


def build_ontology(concepts: Iterable[tuple[str, Concept]], path: str, cleaner: NameCleaner | None = None) -> Ontology:
    """Build an ontology from (place in the file, concept); its names are cleaned, and `Ontology.cleaned` says how.

    Args:
        concepts: The concepts, in their order.
        path: Where they are from, for messages.
        cleaner: None for one that cleans all that can be cleaned.

    Raises:
        InputError: An id is missing or appears twice (both places are named), or there is no concept at all.
    """
    seen: dict[str, str] = {}

    def checked() -> Iterator[Concept]:
        for where, concept in concepts:
            if not concept.concept_id:
                raise InputError(f"{where}: the concept {concept.name!r} has no id", path=path)
            if concept.concept_id in seen:
                raise InputError(
                    f"{where}: the id {concept.concept_id} is already at {seen[concept.concept_id]}", path=path
                )
            seen[concept.concept_id] = where
            yield concept

    cleaner = cleaner or NameCleaner()
    ontology = cleaner.finished(Ontology.from_concepts(cleaner.cleaned(checked()), path))
    if not len(ontology):
        raise InputError("holds no concepts", path=path)
    return ontology
