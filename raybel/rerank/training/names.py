"""Ontologies' own names as training mentions: which of them can be, and what they are found among.

An alias is the mention; its concept is to be found by its other names, among its nearest neighbours. What would give
the answer away doesn't count: the alias itself and its trivial variants (`variant_key`). SapBERT learns an encoder
from the same source (Liu et al., NAACL 2021).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import regex

from raybel.candidates.base import ExcludedMentions, Generator
from raybel.candidates.evidence import places_of
from raybel.corpus.text import surface
from raybel.ontology import Ontology
from raybel.rerank.examples import Describer, Example

#: Why names can't be mentions, each counted: their concept is marked as obsolete, they are an id, they are a name of
#: several concepts.
REASONS = ("obsolete", "ids", "shared")
_POSSESSIVE = regex.compile(r"'s\b")
#: Endings of plurals, the first that fits counts: those that are frequent in names of diseases, then English ones.
_PLURALS = (
    *(("itides", "itis"), ("stases", "stasis"), ("oses", "osis"), ("eses", "esis"), ("yses", "ysis")),
    *(("omata", "oma"), ("ies", "y"), ("s", "")),
)
_WORD = regex.compile(r"\w+")


@dataclass(frozen=True)
class OntologyNames:
    """Names of an ontology that can be training mentions.

    Args:
        concepts: The concept of each, int32.
        names: As the ontology writes them.
        counts: `names`: all that aren't a variant of their concept's preferred name, variants of each other counted
            once; of these, how many can't be mentions, by `REASONS`.
    """

    concepts: np.ndarray
    names: list[str]
    counts: dict[str, int]

    def take(self, rows: np.ndarray) -> OntologyNames:
        """Return some of them, by their places."""
        return OntologyNames(self.concepts[rows], [self.names[row] for row in rows.tolist()], self.counts)


def variant_key(name: str) -> str:
    """Return what a name has in common with its trivial variants: its words in singular, whatever their order.

    Capitals, typography, punctuation, a possessive s and the commonest plurals count for nothing: `Diseases,
    Crohn's` is as good as `crohn disease`. A name without letters and digits gives "".
    """
    words = _WORD.findall(_POSSESSIVE.sub("", surface(name)))
    return " ".join(sorted(map(_singular, words)))


def _singular(word: str) -> str:
    if len(word) < 4 or word.endswith(("ss", "us", "is")):
        return word
    for plural, singular in _PLURALS:
        if word.endswith(plural):
            return word.removesuffix(plural) + singular
    return word


def usable_names(ontology: Ontology, seed: int) -> OntologyNames:
    """Return the names that can be mentions, one of each group of variants, in the concepts' order.

    A variant of the concept's preferred name can't: a candidate's block shows the preferred name, whichever matched.

    Args:
        ontology: Where names are from.
        seed: Decides which one of several variants is taken.
    """
    rows, strings = ontology.names()
    keys = pa.array((variant_key(name) for name in strings), pa.string()).dictionary_encode()
    code = np.asarray(keys.indices)
    empty = np.asarray(pc.equal(keys.dictionary, "").take(keys.indices))
    preferred = np.full(len(ontology), -1, code.dtype)
    first = np.flatnonzero(np.concatenate([[True], rows[1:] != rows[:-1]])) if len(rows) else np.zeros(0, np.int64)
    preferred[rows[first]] = code[first]
    order = np.lexsort((np.random.default_rng([seed, len(strings)]).random(len(strings)), code, rows))
    order = order[~empty[order]]
    again = np.zeros(len(order), bool)
    again[1:] = (rows[order][1:] == rows[order][:-1]) & (code[order][1:] == code[order][:-1])
    order = order[~again]  # one row for each concept and group of variants
    concepts_of = np.bincount(code[order], minlength=len(keys.dictionary))
    order = order[code[order] != preferred[rows[order]]]
    obsolete = np.asarray(pc.starts_with(pc.utf8_lower(ontology.table["name"]), "obsolete "))[rows[order]]
    is_id = _are_ids([strings[row] for row in order.tolist()], ontology)
    shared = concepts_of[code[order]] > 1
    counts = {"names": len(order)}
    usable = np.ones(len(order), bool)
    for name, found in zip(REASONS, (obsolete, is_id, shared), strict=True):
        counts[name] = int((usable & found).sum())
        usable &= ~found
    order = order[usable]
    return OntologyNames(rows[order], [strings[row] for row in order.tolist()], counts)


def _are_ids(names: Sequence[str], ontology: Ontology) -> np.ndarray:
    """Return which names are ids or alternative ids of the ontology, with their prefixes or without: bool."""
    ids = pa.concat_arrays(
        [ontology.table["concept_id"].combine_chunks(), pc.list_flatten(ontology.table["alt_ids"].combine_chunks())]
    )
    known = pa.concat_arrays([ids, pc.replace_substring_regex(ids, "^[^:]*:", "")])
    return np.asarray(pc.is_in(pa.array(names, pa.string()), value_set=known))


def drawn_names(of_ontologies: Sequence[OntologyNames], most: int, seed: int) -> list[OntologyNames]:
    """Return at most `most` of several ontologies' names, in their order.

    They are drawn by concept, whichever ontology it is of: each concept gives a name before one gives a second.

    Args:
        of_ontologies: The names that each has.
        most: How many at most.
        seed: Decides which.
    """
    ontology = np.repeat(np.arange(len(of_ontologies)), [len(each.names) for each in of_ontologies])
    place = np.concatenate([np.zeros(0, np.int64), *(np.arange(len(each.names)) for each in of_ontologies)])
    concept = np.concatenate([np.zeros(0, np.int32), *(each.concepts for each in of_ontologies)])
    chance = np.random.default_rng([seed, len(concept)]).random(len(concept))
    order = np.lexsort((chance, concept, ontology))
    first = np.zeros(len(order), bool)
    if len(order):
        first[0] = True
        first[1:] = (concept[order][1:] != concept[order][:-1]) | (ontology[order][1:] != ontology[order][:-1])
    turn = np.empty(len(order), np.int64)
    turn[order] = np.arange(len(order)) - np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    kept = np.zeros(len(order), bool)
    kept[np.lexsort((chance, turn))[:most]] = True
    return [each.take(place[kept & (ontology == number)]) for number, each in enumerate(of_ontologies)]


def name_examples(
    concepts: np.ndarray,
    names: Sequence[str],
    generator: Generator,
    ontology: Ontology,
    describer: Describer,
    top_k: int,
) -> list[Example]:
    """Return names as mentions without a context; the gold candidate is their concept, where it is among them.

    Args:
        concepts: The names' concepts, int32.
        names: Aliases of these.
        generator: Finds candidates.
        ontology: What they refer to.
        describer: Looks up their names.
        top_k: Candidates per mention.
    """
    if not names:
        return []
    rows = ontology.table.select(["name", "aliases"]).take(pa.array(concepts)).to_pylist()
    variants = [
        {(surface(other), concept) for other in _variants(name, [row["name"], *row["aliases"]])}
        for name, concept, row in zip(names, concepts.tolist(), rows, strict=True)
    ]
    surfaces, excluded = [surface(name) for name in names], ExcludedMentions(names=variants)
    candidates = generator.search(surfaces, top_k, excluded)
    golds = places_of(candidates, concepts.tolist())
    described = describer.describe(candidates, surfaces, excluded)
    return [
        Example("", 0, (0,), name, found, shown.names, shown.aliases, gold, shown.details)
        for name, found, shown, gold in zip(names, candidates, described, golds, strict=True)
    ]


def _variants(name: str, others: Iterable[str]) -> list[str]:
    """Return those names that are variants of a name, itself included."""
    key = variant_key(name)
    return [other for other in others if variant_key(other) == key]
