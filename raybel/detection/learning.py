"""Which names a dictionary has, how likely each is a mention, and of what type: by training documents or without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raybel.detection.annotated import AnnotatedDocument
from raybel.detection.branches import NONE, Annotated, annotated_branches
from raybel.detection.evidence import Evidence, shares
from raybel.detection.names import Kind, Names
from raybel.detection.parameters import DictionaryParameters
from raybel.detection.stop_names import stop_names
from raybel.ontology import Ontology

#: How often names of each kind are mentions, where no training corpus says it.
PRIORS = {Kind.SEVERAL_TOKENS: 0.7, Kind.ONE_TOKEN: 0.6, Kind.CASED: 0.35}
#: Rounds of leaving names out, each of which uncovers shorter names that stood within those.
MAX_ROUNDS = 8


@dataclass(frozen=True)
class Learned:
    """What is known of names, by name.

    Args:
        kept: Whether it is in the dictionary.
        stopped: Whether it is left out as a stop name; the others that aren't kept are of no type.
        scores: Which share of its occurrences are mentions: float64.
        types: Type of a mention of it: objects, text or None.
        shares: Mean share of each kind in the training documents; empty without any.
    """

    kept: np.ndarray
    stopped: np.ndarray
    scores: np.ndarray
    types: np.ndarray
    shares: dict[str, float]


def taken_from_ontology(names: Names, ontology: Ontology) -> Learned:
    """Take an ontology's names but those that are common words, with the first type of their first concept."""
    stopped = stop_names(names)
    first_types = [(some or [""])[0] for some in ontology.table["types"].to_pylist()]
    types = np.full(len(names), "", object)
    owner, first = np.unique(names.pair_names, return_index=True)
    types[owner] = np.array([*first_types, ""], object)[names.pair_concepts[first]]
    scores = np.array([PRIORS[Kind(kind)] for kind in names.kinds.tolist()])
    return Learned(~stopped, stopped, scores, types, {})


def learned_from_training(
    names: Names, ontology: Ontology, documents: Sequence[AnnotatedDocument], parameters: DictionaryParameters
) -> Learned:
    """Learn from training documents: names that are rarely mentions, or of no type that is annotated, are left out.

    Leaving a name out uncovers shorter ones within it, whose share then changes: this is repeated until nothing does.
    """
    annotated = _annotated(ontology, documents)
    branches = branches_of_names(names, annotated.of_concept)
    everything = names.table(np.ones(len(names), bool), np.zeros(len(names)), np.zeros(len(names), np.int64))
    evidence = Evidence(documents, everything)
    types = types_of_names(names, annotated, branches, evidence.types)
    typed = np.array([kind is not None for kind in types.tolist()], bool)
    kept, counts = typed, None
    for _ in range(MAX_ROUNDS):
        counts = evidence.counts(kept, counts)
        scores, means = shares(names, branches, counts, parameters.prior_weight)
        fewer = kept & (scores >= parameters.min_share)
        unchanged = bool((fewer == kept).all())
        kept = fewer
        if unchanged:
            break
    return Learned(kept, typed & ~kept, scores, types, means)


def _annotated(ontology: Ontology, documents: Sequence[AnnotatedDocument]) -> Annotated:
    mentions = [mention for document in documents for mention, _ in document.mentions_with_text]
    rows = iter(ontology.indices([concept for mention in mentions for concept in mention.concepts]).tolist())
    known = [[row for row in (next(rows) for _ in mention.concepts) if row >= 0] for mention in mentions]
    return annotated_branches(ontology, [(mention.type, some) for mention, some in zip(mentions, known, strict=True)])


def branches_of_names(names: Names, of_concept: np.ndarray) -> np.ndarray:
    """Return for each name the branch, of those of its concepts, that is annotated most often; `NONE` for none."""
    last = np.iinfo(np.int64).max
    best = np.full(len(names), last)
    branches = of_concept[names.pair_concepts]
    np.minimum.at(best, names.pair_names, np.where(branches == NONE, last, branches))
    return np.where(best == last, NONE, best)


def types_of_names(names: Names, annotated: Annotated, branches: np.ndarray, own: dict[int, str]) -> np.ndarray:
    """Return the type of each name, as objects; None where nothing says it.

    It is that of most of its own mentions; else of most mentions of its concept (of several that have any, the first);
    else of most mentions of its branch.
    """
    types = np.full(len(names), None, object)
    in_branch = branches != NONE
    types[in_branch] = np.array([*annotated.types_of_branch, None], object)[branches[in_branch]]
    seen = np.isin(names.pair_concepts, np.array(sorted(annotated.types_of_concept), np.int64))
    for name, concept in zip(
        names.pair_names[seen][::-1].tolist(), names.pair_concepts[seen][::-1].tolist(), strict=True
    ):
        types[name] = annotated.types_of_concept[concept]
    for name, kind in own.items():
        types[name] = kind
    return types
