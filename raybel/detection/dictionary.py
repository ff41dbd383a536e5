"""The dictionary detector: finds the names of an ontology, and of training mentions, in text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from raybel.corpus.typography import FOLDING, check_folding
from raybel.detection.annotated import AnnotatedDocument
from raybel.detection.base import Detection, Detector
from raybel.detection.learning import learned_from_training, taken_from_ontology
from raybel.detection.name_table import NameTable
from raybel.detection.names import Kind, collect
from raybel.detection.parameters import DictionaryParameters
from raybel.detection.pieces import TOKENS, Tokenizer
from raybel.detection.selection import find, select
from raybel.errors import ConfigError, MismatchError
from raybel.files import artefacts, storage
from raybel.ontology import Ontology

KIND, VERSION = "dictionary", 1
#: Code points of the documents that are searched at once: bounds the memory for what is found.
BATCH = 2_000_000


@dataclass(frozen=True)
class DictionaryFacts:
    """What a dictionary was made of.

    Args:
        names: Distinct names that it finds.
        of_mentions: How many of these only training mentions have.
        stop_names: Names of the ontology that were left out, since they are rarely mentions, or common words.
        without_type: Names that were left out, since training annotates nothing of their branches.
        too_long: Names that were left out for their length.
        case_matters: Names that are found in some ways of writing only.
        shares: How often names of each kind are mentions in the training documents; empty without any.
    """

    names: int
    of_mentions: int
    stop_names: int
    without_type: int
    too_long: int
    case_matters: int
    shares: dict[str, float]


class Dictionary(Detector):
    """Finds names in text by longest match over tokens; made by `build` or `load`.

    Args:
        table: The names.
        types: The types that names' numbers stand for, sorted.
        parameters: JSON values that go into the artefact.
        facts: What it was made of; None where it was loaded.
        fingerprint: That of the artefact; empty until it is saved.
    """

    name = KIND

    def __init__(
        self,
        table: NameTable,
        types: Sequence[str],
        parameters: Mapping[str, Any],
        facts: DictionaryFacts | None = None,
        fingerprint: str = "",
    ) -> None:
        self.table, self.types, self.parameters = table, tuple(types), dict(parameters)
        self.facts, self.fingerprint = facts, fingerprint
        self._tokenizer = Tokenizer()

    @classmethod
    def build(
        cls,
        ontology: Ontology,
        documents: Sequence[AnnotatedDocument] = (),
        parameters: DictionaryParameters | None = None,
        type: str | None = None,
    ) -> Dictionary:
        """Make a dictionary of an ontology's names and, where there are any, of training mentions.

        Args:
            ontology: Its names are found.
            documents: Training documents; the mentions in them become names, and say which names are none.
            parameters: Hyper-parameters; None for the defaults.
            type: The type of all mentions, in the place of what training or the ontology says.

        Raises:
            ConfigError: The ontology has no names, or every one is left out.
        """
        parameters = parameters or DictionaryParameters()
        texts = (text for document in documents for _, text in document.mentions_with_text)
        names = collect(ontology, texts)
        if not len(names):
            raise ConfigError(f"{ontology.path}: the ontology has no names to find")
        if documents:
            learned = learned_from_training(names, ontology, documents, parameters)
        else:
            learned = taken_from_ontology(names, ontology)
        kept = learned.kept
        if not kept.any():
            raise ConfigError(
                f"{ontology.path}: none of its {len(names):,} names can be found, since they are common words or, in "
                "the training corpus, hardly ever mentions: are corpus and ontology of the same kind?"
            )
        types = [type] if type is not None else sorted(set(learned.types[kept].tolist()))
        number = {each: place for place, each in enumerate(types)}
        numbers = np.array([number.get(each, 0) for each in learned.types.tolist()], np.int64)
        own = names.kinds != Kind.MENTION
        facts = DictionaryFacts(
            names=int(kept.sum()),
            of_mentions=int((kept & ~own).sum()),
            stop_names=int((learned.stopped & own).sum()),
            without_type=int((~kept & ~learned.stopped & own).sum()),
            too_long=names.too_long,
            case_matters=int((kept & names.cased).sum()),
            shares=learned.shares,
        )
        described = {
            "dictionary": asdict(parameters),
            "ontology_fingerprint": ontology.fingerprint,
            "folding": FOLDING,
            "tokens": TOKENS,
            "types": types,
        }
        return cls(names.table(kept, learned.scores, numbers), types, described, facts)

    def save(
        self, directory: str, extra: Mapping[str, object] | None = None, facts: Mapping[str, object] | None = None
    ) -> str:
        """Write the dictionary and return its fingerprint.

        Args:
            directory: Path or URI.
            extra: Goes into its parameters.
            facts: JSON values that are kept beside them, and aren't part of the fingerprint.
        """
        made_of = {"facts": asdict(self.facts)} if self.facts else {}
        self.fingerprint = artefacts.save(
            directory,
            KIND,
            VERSION,
            {**self.parameters, **(extra or {})},
            self.table.files(),
            {**made_of, **(facts or {})},
        )
        return self.fingerprint

    @classmethod
    def load(cls, path: str) -> Dictionary:
        """Open a dictionary, memory-mapped.

        Args:
            path: Directory or URI.

        Raises:
            InputError: It is missing or incomplete.
            MismatchError: It is of another kind or version, or its names were folded in another way.
        """
        config = artefacts.describe(path, KIND, VERSION)
        parameters = config["parameters"]
        check_folding(path, parameters.get("folding"))
        if parameters.get("tokens") != TOKENS:
            raise MismatchError(
                f"{path} was made with version {parameters.get('tokens')} of the tokens of names, this raybel has "
                f"version {TOKENS}: make it again with the same command"
            )
        table = NameTable.load(storage.localise(path))
        return cls(table, parameters["types"], parameters, fingerprint=config["fingerprint"])

    def detect(self, documents: Sequence[Sequence[str]]) -> list[list[list[Detection]]]:
        """Return for each document, for each of its passages, the mentions in it; see `Detector`."""
        detected: list[list[list[Detection]]] = []
        for some in _batches(documents):
            detected += self._detect(some)
        return detected

    def _detect(self, documents: Sequence[Sequence[str]]) -> list[list[list[Detection]]]:
        found = find(documents, self.table, self._tokenizer)
        chosen = select(found.tokens, found.matches)
        first, last, name = (column[chosen] for column in (found.matches.first, found.matches.last, found.matches.name))
        tokens = found.tokens
        texts: list[list[Detection]] = [[] for passages in documents for _ in passages]
        for text, start, end, kind, score in zip(
            tokens.text[first].tolist(),
            tokens.start[first].tolist(),
            tokens.end[last].tolist(),
            self.table.type_of(name).tolist(),
            self.table.scores[name].tolist(),
            strict=True,
        ):
            texts[text].append(Detection(start, end, self.types[kind], score, KIND))
        passages = iter(texts)
        return [[next(passages) for _ in document] for document in documents]


def _batches(documents: Sequence[Sequence[str]]) -> Iterable[Sequence[Sequence[str]]]:
    start = size = 0
    for number, document in enumerate(documents):
        size += sum(map(len, document))
        if size >= BATCH:
            yield documents[start : number + 1]
            start, size = number + 1, 0
    if start < len(documents):
        yield documents[start:]
