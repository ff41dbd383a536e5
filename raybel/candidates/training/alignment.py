"""Training of a text encoder so that names of one concept are near each other, and mentions near their concept.

Two kinds of training, both against the model's own nearest wrong strings, found anew for every epoch:

- *synonyms*: pairs of a concept's names, with the multi-similarity loss (Wang et al., CVPR 2019) and its online mining
  of hard pairs, as SapBERT does (Liu et al., NAACL 2021);
- *mentions*: training mentions against the nearest strings of the right and of wrong concepts, with a softmax over
  them, as BioSyn does (Sung et al., ACL 2020). Cross-fitted: a mention's own string is never among its candidates, so
  that it can't be its own answer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from raybel.candidates import faiss_index
from raybel.candidates.aliases import AliasTable
from raybel.candidates.training.losses import Group
from raybel.errors import ConfigError

#: Strings looked at for hard negatives of one.
NEIGHBOURS = 200
#: A surface is taken to mean its most frequent concept if that has this share of its mentions, else left out.
CLEAR = 0.8


@dataclass(frozen=True)
class AlignmentParameters:
    """Hyper-parameters; measured in BENCHMARKS.md.

    Args:
        synonym_learning_rate: Of AdamW on synonyms, at its highest; it rises over the first 30 steps of a stage, and
            falls to 0 linearly.
        mention_learning_rate: The same on mentions.
        synonym_epochs: Passes over synonym pairs.
        mention_epochs: Passes over the training mentions.
        pairs: Synonym pairs in an epoch.
        replay: Names of the ontology that are trained on beside the mentions, in the same way, per distinct mention.
        batch_size: Pairs, or twice the mentions, in a batch.
        negatives: Wrong candidates of a mention.
        pair_negatives: Wrong strings put beside a synonym pair.
        temperature: Of the softmax over a mention's candidates.
        dictionary_share: Share of mentions whose candidates are dictionary names only; the others' are training
            mentions' strings too.
        average: Weight of the trained weights in the result, against the base model's: what is learned on few names
            then costs less of what the base model knows (Wortsman et al., CVPR 2022).
        pool_strings: Strings among which hard negatives are looked for; of larger ontologies a sample of concepts is
            drawn for each epoch.
    """

    synonym_learning_rate: float = 5e-6
    mention_learning_rate: float = 3e-5
    synonym_epochs: int = 1
    mention_epochs: int = 3
    pairs: int = 8_000
    replay: float = 1.0
    batch_size: int = 64
    negatives: int = 8
    pair_negatives: int = 2
    temperature: float = 0.05
    dictionary_share: float = 0.5
    average: float = 0.7
    pool_strings: int = 500_000

    def __post_init__(self) -> None:
        for name in ("pairs", "batch_size", "negatives", "pool_strings"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("synonym_epochs", "mention_epochs", "pair_negatives"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative")
        if not self.synonym_epochs + self.mention_epochs:
            raise ConfigError("nothing to train: synonym_epochs and mention_epochs are both 0")
        if min(self.synonym_learning_rate, self.mention_learning_rate, self.temperature) <= 0 or self.replay < 0:
            raise ConfigError("learning rates and temperature must be above 0, replay not below")
        if not 0 <= self.dictionary_share <= 1 or not 0 < self.average <= 1:
            raise ConfigError("dictionary_share must lie in 0..1, and average in 0..1 without 0")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> AlignmentParameters:
        """Build from a `params.json` (its part under `sapbert`).

        Raises:
            ConfigError: A name that isn't a hyper-parameter, or a value of the wrong type or out of range.
        """
        unknown = sorted(set(values) - set(cls.__dataclass_fields__))
        if unknown:
            known = ", ".join(cls.__dataclass_fields__)
            raise ConfigError(f"unknown sapbert parameters: {', '.join(unknown)}; there are {known}")
        try:
            return cls(**values)
        except TypeError as error:
            raise ConfigError(f"a sapbert parameter has a value of the wrong type: {error}") from error


class TrainingStrings:
    """The strings of an ontology and of training mentions, and the groups that an epoch is made of.

    Args:
        dictionary: The ontology's alias table.
        training: (surface, concept index) of each training mention, repeats included.
        aliases: The table with the training mentions as aliases.
        parameters: Hyper-parameters.
    """

    def __init__(
        self,
        dictionary: AliasTable,
        training: Iterable[tuple[str, int]],
        aliases: AliasTable,
        parameters: AlignmentParameters,
    ) -> None:
        self.parameters = parameters
        self.strings = aliases.strings()
        self.row = {string: row for row, string in enumerate(self.strings)}
        self.concepts = _concepts(aliases)
        own = _concepts(dictionary)
        self.in_dictionary: list[frozenset[int]] = [frozenset()] * len(self.strings)
        for string, concepts in zip(dictionary.strings(), own, strict=True):
            self.in_dictionary[self.row[string]] = concepts
        #: Names that mean one concept only, by concept; only concepts with two of them have synonyms to learn.
        clean = defaultdict(list)
        for row, held in enumerate(self.in_dictionary):
            if len(held) == 1:
                clean[next(iter(held))].append(row)
        self.synonyms = {concept: rows for concept, rows in sorted(clean.items()) if len(rows) > 1}
        self.mentions = _clear(training)
        self.by_concept = defaultdict(list)
        for row, held in enumerate(self.concepts):
            for concept in held:
                self.by_concept[concept].append(row)

    def pool(self, rng: np.random.Generator) -> np.ndarray:
        """Return the rows among which an epoch looks for hard negatives, int64, in order."""
        if len(self.strings) <= self.parameters.pool_strings:
            return np.arange(len(self.strings))
        wanted = {concept for _, concept in self.mentions}
        rows: set[int] = {row for concept in wanted for row in self.by_concept[concept]}
        rows |= {self.row[surface] for surface, _ in self.mentions}
        for concept in rng.permutation(np.array(sorted(self.by_concept))).tolist():
            if len(rows) >= self.parameters.pool_strings:
                break
            rows.update(self.by_concept[concept])
        return np.array(sorted(rows), np.int64)

    def synonym_groups(self, pool: np.ndarray, vectors: np.ndarray, rng: np.random.Generator) -> list[Group]:
        """Return pairs of synonyms, each with the nearest names of other concepts.

        Args:
            pool: Rows of the strings.
            vectors: One for each, of unit length.
            rng: Draws the pairs.
        """
        place = {row: index for index, row in enumerate(pool.tolist())}
        usable = [concept for concept, rows in self.synonyms.items() if all(row in place for row in rows)]
        pairs: list[tuple[int, int, int]] = []
        while usable and len(pairs) < self.parameters.pairs:
            for concept in rng.permutation(usable)[: self.parameters.pairs - len(pairs)].tolist():
                one, other = rng.choice(self.synonyms[concept], 2, replace=False).tolist()
                pairs.append((one, other, concept))
        near = _nearest(vectors, [place[one] for one, _, _ in pairs], 40)
        groups = []
        for (one, other, concept), found in zip(pairs, near, strict=True):
            rows = [row for row in pool[found].tolist() if len(self.in_dictionary[row] - {concept}) == 1]
            rows = [row for row in rows if concept not in self.in_dictionary[row]][: self.parameters.pair_negatives]
            concepts = [concept, concept, *(next(iter(self.in_dictionary[row])) for row in rows)]
            groups.append(Group([self.strings[row] for row in (one, other, *rows)], concepts))
        return _shuffled(groups, rng)

    def mention_groups(self, pool: np.ndarray, vectors: np.ndarray, rng: np.random.Generator) -> list[Group]:
        """Return each distinct training mention with its nearest right string and its nearest wrong ones.

        Beside them, some of the ontology's names are treated as if they were mentions (`replay`).

        Args:
            pool: Rows of the strings.
            vectors: One for each, of unit length.
            rng: Draws which mentions see training strings.
        """
        place = {row: index for index, row in enumerate(pool.tolist())}
        wanted = [(self.row[surface], concept, self.concepts) for surface, concept in self.mentions]
        usable = [concept for concept, rows in self.synonyms.items() if all(row in place for row in rows)]
        drawn = rng.choice(usable, round(self.parameters.replay * len(wanted))) if usable else np.zeros(0, int)
        wanted += [(int(rng.choice(self.synonyms[c])), c, self.in_dictionary) for c in drawn.tolist()]
        near = _nearest(vectors, [place[own] for own, _, _ in wanted], NEIGHBOURS)
        groups = []
        for (own, concept, held), found in zip(wanted, near, strict=True):
            held = self.in_dictionary if rng.random() < self.parameters.dictionary_share else held
            right, wrong, seen = -1, list[int](), set[int]()
            for row in pool[found].tolist():
                if row == own or not held[row]:
                    continue
                if concept in held[row]:
                    right = row if right < 0 and len(held[row]) == 1 else right
                elif not held[row] <= seen and len(wrong) < self.parameters.negatives:
                    seen |= held[row]  # a concept counts once, as in the search
                    wrong.append(row)
            if right < 0:
                others = [row for row in self.by_concept[concept] if row != own and concept in held[row]]
                if not others:
                    continue  # the concept has no other name
                at = [place[row] for row in others]
                right = others[int(np.argmax(vectors[at] @ vectors[place[own]]))]
            rows = [own, right, *wrong]
            concepts = [concept, concept, *(min(held[row]) for row in wrong)]
            groups.append(Group([self.strings[row] for row in rows], concepts))
        return _shuffled(groups, rng)


def _concepts(aliases: AliasTable) -> list[frozenset[int]]:
    concept = aliases.table["concept"].to_numpy()
    bounds = aliases.first_pair.tolist()
    return [frozenset(concept[a:b].tolist()) for a, b in pairwise(bounds)]


def _clear(training: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """Distinct surfaces with what they mean, ambiguous ones left out, in order."""
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for surface, concept in training:
        if surface:  # a span of white space has an empty one
            counts[surface][concept] += 1
    found = []
    for surface in sorted(counts):
        concept, count = min(counts[surface].items(), key=lambda item: (-item[1], item[0]))
        if count >= CLEAR * counts[surface].total():
            found.append((surface, concept))
    return found


def _shuffled(groups: list[Group], rng: np.random.Generator) -> list[Group]:
    return [groups[index] for index in rng.permutation(len(groups)).tolist()]


def _nearest(vectors: np.ndarray, queries: list[int], depth: int) -> np.ndarray:
    """Places of the nearest vectors, nearest first: int64 of shape (queries, depth)."""
    import faiss

    if not queries:
        return np.zeros((0, 0), np.int64)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    depth = min(depth, len(vectors))
    threads = torch.get_num_threads()
    found = [
        faiss_index.search(index, vectors[queries[start : start + 4096]], depth, threads)[1]
        for start in range(0, len(queries), 4096)
    ]
    return np.concatenate(found)
