"""The dictionary detector: finds the names of an ontology, and of training mentions, in text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from raybel.corpus.typography import FOLDING, check_folding
from raybel.detection.annotated import AnnotatedDocument
from raybel.detection.base import Detection, Detector
from raybel.detection.branches import annotated_branches
from raybel.detection.evidence import MAX_ROUNDS, Evidence, shares
from raybel.detection.name_table import NameTable
from raybel.detection.names import Kind, Names, collect
from raybel.detection.parameters import DictionaryParameters
from raybel.detection.pieces import TOKENS, Tokenizer
from raybel.detection.selection import find, select
from raybel.detection.stop_names import stop_names
from raybel.errors import ConfigError, MismatchError
from raybel.files import artefacts, storage
from raybel.ontology import Ontology

KIND, VERSION = "dictionary", 1
#: Code points of the documents that are searched at once: bounds the memory for what is found.
BATCH = 2_000_000
#: How often names of each kind are mentions, where no training corpus says it: see BENCHMARKS.md.
PRIORS = {Kind.SEVERAL_TOKENS: 0.8, Kind.ONE_TOKEN: 0.6, Kind.CASED: 0.4, Kind.MENTION: 0.8}


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
        mentions = [m for document in documents for m in _texts(document)]
        names = collect(ontology, mentions)
        if not len(names):
            raise ConfigError(f"{ontology.path}: the ontology has no names to find")
        if documents:
            kept, scores, of_names, stopped, means = _learned(names, ontology, documents, parameters)
        else:
            stopped = stop_names(names)
            scores, means = np.array([PRIORS[Kind(kind)] for kind in range(len(Kind))])[names.kinds], {}
            kept, of_names = ~stopped, _types_of_ontology(names, ontology)
        if not kept.any():
            raise ConfigError(
                f"{ontology.path}: each of its {len(names):,} names is a stop word or hardly ever a mention in the "
                "training corpus: are corpus and ontology of the same kind?"
            )
        if type is not None:
            of_names = np.full(len(names), type, object)
        types = sorted(set(of_names[kept].tolist()))
        number = {each: place for place, each in enumerate(types)}
        of_numbers = np.array([number.get(each, 0) for each in of_names.tolist()], np.int64)
        own = names.kinds != Kind.MENTION
        facts = DictionaryFacts(
            int(kept.sum()),
            int((kept & ~own).sum()),
            int((stopped & own).sum()),
            int((~kept & ~stopped & own).sum()),
            names.too_long,
            int((kept & names.cased).sum()),
            means,
        )
        described = {
            "dictionary": asdict(parameters),
            "ontology_fingerprint": ontology.fingerprint,
            "folding": FOLDING,
            "tokens": TOKENS,
        }
        return cls(names.table(kept, scores, of_numbers), types, {**described, "types": types}, facts)

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
            directory, KIND, VERSION, {**self.parameters, **(extra or {})}, self.table.files(), {**made_of, **(facts or {})}
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
                f"{path} was made with version {parameters.get('tokens')} of the tokens of names, this raybel has version "
                f"{TOKENS}: make it again with the same command"
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


def _texts(document: AnnotatedDocument) -> Iterable[str]:
    return (document.passages[mention.passage][mention.start : mention.end] for mention in document.mentions)


def _types_of_ontology(names: Names, ontology: Ontology) -> np.ndarray:
    """Return for each name the first type of its first concept, "" for none: objects."""
    types = [(some or [""])[0] for some in ontology.table["types"].to_pylist()]
    of_names = np.full(len(names), "", object)
    owner, first = np.unique(names.pair_names, return_index=True)
    of_names[owner] = np.array(types, object)[names.pair_concepts[first]]
    return of_names


def _learned(
    names: Names, ontology: Ontology, documents: Sequence[AnnotatedDocument], parameters: DictionaryParameters
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, float]]:
    """Learn from training documents: kept names, scores, types, stop names, mean share of each kind."""
    mentions = [mention for document in documents for mention in document.mentions]
    ids = [concept for mention in mentions for concept in mention.concepts]
    rows = iter(ontology.indices(ids).tolist())
    concepts = [[row for row in (next(rows) for _ in mention.concepts) if row >= 0] for mention in mentions]
    learned = annotated_branches(ontology, [(m.type, some) for m, some in zip(mentions, concepts, strict=True)])
    evidence = Evidence(documents, names.table(np.ones(len(names), bool), np.zeros(len(names)), np.zeros(len(names), int)))
    branch = _branch_of_names(names, learned.of_concept)
    of_names = np.full(len(names), None, object)
    annotated = branch >= 0
    of_names[annotated] = np.array([*learned.types_of_branch, ""], object)[branch[annotated]]
    for place in range(len(names.pair_names) - 1, -1, -1) if learned.types_of_concept else ():
        if (kind := learned.types_of_concept.get(int(names.pair_concepts[place]))) is not None:
            of_names[names.pair_names[place]] = kind
    for name, kind in evidence.types.items():
        of_names[name] = kind
    typed = np.array([kind is not None for kind in of_names.tolist()], bool)
    kept, counts = typed.copy(), None
    for _ in range(MAX_ROUNDS):
        counts = evidence.counts(kept, counts)
        scores, means = shares(names, branch, counts, parameters.prior_weight)
        fewer = kept & (scores >= parameters.min_share)
        if (fewer == kept).all():
            break
        kept = fewer
    return kept, scores, of_names, typed & ~kept, means


def _branch_of_names(names: Names, of_concept: np.ndarray) -> np.ndarray:
    """Return for each name the branch, of those of its concepts, that is annotated most often; -1 for none."""
    none = np.iinfo(np.int64).max
    best = np.full(len(names), none)
    of_pair = of_concept[names.pair_concepts]
    np.minimum.at(best, names.pair_names, np.where(of_pair < 0, none, of_pair))
    return np.where(best == none, -1, best)
