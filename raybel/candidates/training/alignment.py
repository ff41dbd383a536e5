"""What a text encoder is trained on so that a concept's names and mentions are near each other.

There are two kinds of training, both against the model's own nearest wrong strings, which are searched for anew before
every epoch:

- *synonyms*: pairs of a concept's names, with the multi-similarity loss (Wang et al., CVPR 2019) and its online mining
  of hard pairs, as SapBERT does (Liu et al., NAACL 2021);
- *mentions*: training mentions against the nearest strings of the right and of wrong concepts, with a softmax over
  them, as BioSyn does (Sung et al., ACL 2020). A mention's own string is never among its candidates, so that it can't
  be its own answer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import torch

from raybel.candidates import faiss_index
from raybel.candidates.aliases import AliasTable
from raybel.candidates.training.losses import Group
from raybel.candidates.training.parameters import AlignmentParameters

#: Nearest strings of a mention, and of a name, among which its negatives are chosen.
NEIGHBOURS, NAME_NEIGHBOURS = 200, 40
#: Share of a surface's mentions that its most frequent concept must have; other surfaces are ambiguous, and left out.
UNAMBIGUOUS_SHARE = 0.8


class TrainingStrings:
    """The strings of an ontology and of training mentions; makes the groups that an epoch trains on.

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
        #: The concepts of each string; and those that it has as a name of the ontology.
        self.concepts = _concepts(aliases)
        self.in_dictionary: list[frozenset[int]] = [frozenset()] * len(self.strings)
        for string, concepts in zip(dictionary.strings(), _concepts(dictionary), strict=True):
            self.in_dictionary[self.row[string]] = concepts
        unambiguous = defaultdict(list)
        for row, concepts in enumerate(self.in_dictionary):
            if len(concepts) == 1:
                unambiguous[next(iter(concepts))].append(row)
        #: Rows of the names that mean one concept only, by concept, where it has at least two of them.
        self.synonyms = {concept: rows for concept, rows in sorted(unambiguous.items()) if len(rows) > 1}
        self.mentions = _unambiguous(training)
        self.by_concept = defaultdict(list)
        for row, concepts in enumerate(self.concepts):
            for concept in concepts:
                self.by_concept[concept].append(row)

    def pool(self, rng: np.random.Generator) -> np.ndarray:
        """Return the rows of the strings among which an epoch searches for hard negatives: int64, in order."""
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
            pool: Rows of the strings among which negatives are searched for.
            vectors: Unit vectors of the pool's strings, float32 of shape (strings, width).
            rng: Draws the pairs.
        """
        place = {row: index for index, row in enumerate(pool.tolist())}
        usable = [concept for concept, rows in self.synonyms.items() if all(row in place for row in rows)]
        pairs: list[tuple[int, int, int]] = []
        while usable and len(pairs) < self.parameters.pairs:
            for concept in rng.permutation(usable)[: self.parameters.pairs - len(pairs)].tolist():
                name, synonym = rng.choice(self.synonyms[concept], 2, replace=False).tolist()
                pairs.append((name, synonym, concept))
        nearest = _nearest(vectors, [place[name] for name, _, _ in pairs], NAME_NEIGHBOURS)
        groups = []
        for (name, synonym, concept), neighbours in zip(pairs, nearest, strict=True):
            wrong = [row for row in pool[neighbours].tolist() if len(self.in_dictionary[row] - {concept}) == 1]
            wrong = [row for row in wrong if concept not in self.in_dictionary[row]][: self.parameters.pair_negatives]
            concepts = [concept, concept, *(next(iter(self.in_dictionary[row])) for row in wrong)]
            groups.append(Group([self.strings[row] for row in (name, synonym, *wrong)], concepts))
        return _shuffled(groups, rng)

    def mention_groups(self, pool: np.ndarray, vectors: np.ndarray, rng: np.random.Generator) -> list[Group]:
        """Return each distinct training mention with its nearest right string and its nearest wrong ones.

        Besides, some of the ontology's names are treated as if they were mentions (`replay`). A mention whose concept
        has no other string is left out.

        Args:
            pool: Rows of the strings among which candidates are searched for.
            vectors: Unit vectors of the pool's strings, float32 of shape (strings, width).
            rng: Draws which mentions have training mentions' strings as candidates, and the names.
        """
        place = {row: index for index, row in enumerate(pool.tolist())}
        mentions = [(self.row[surface], concept, self.concepts) for surface, concept in self.mentions]
        usable = [concept for concept, rows in self.synonyms.items() if all(row in place for row in rows)]
        drawn = rng.choice(usable, round(self.parameters.replay * len(mentions))) if usable else np.zeros(0, int)
        mentions += [(int(rng.choice(self.synonyms[c])), c, self.in_dictionary) for c in drawn.tolist()]
        nearest = _nearest(vectors, [place[mention] for mention, _, _ in mentions], NEIGHBOURS)
        groups = []
        for (mention, concept, meanings), neighbours in zip(mentions, nearest, strict=True):
            meanings = self.in_dictionary if rng.random() < self.parameters.dictionary_share else meanings
            right, wrong, wrong_concepts = -1, list[int](), set[int]()
            for row in pool[neighbours].tolist():
                if row == mention or not meanings[row]:
                    continue
                if concept in meanings[row]:
                    right = row if right < 0 and len(meanings[row]) == 1 else right
                elif not meanings[row] <= wrong_concepts and len(wrong) < self.parameters.negatives:
                    wrong_concepts |= meanings[row]  # a concept counts once, as in the search
                    wrong.append(row)
            if right < 0:
                others = [row for row in self.by_concept[concept] if row != mention and concept in meanings[row]]
                if not others:
                    continue
                similarity = vectors[[place[row] for row in others]] @ vectors[place[mention]]
                right = others[int(np.argmax(similarity))]
            concepts = [concept, concept, *(min(meanings[row]) for row in wrong)]
            groups.append(Group([self.strings[row] for row in (mention, right, *wrong)], concepts))
        return _shuffled(groups, rng)


def _concepts(aliases: AliasTable) -> list[frozenset[int]]:
    """Return the concepts of each distinct string."""
    concept = aliases.table["concept"].to_numpy()
    return [frozenset(concept[start:end].tolist()) for start, end in pairwise(aliases.first_pair.tolist())]


def _unambiguous(training: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return the distinct surfaces that mean one concept, each with it, sorted."""
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for surface, concept in training:
        if surface:  # a span of white space has an empty one
            counts[surface][concept] += 1
    mentions = []
    for surface in sorted(counts):
        concept, count = min(counts[surface].items(), key=lambda item: (-item[1], item[0]))
        if count >= UNAMBIGUOUS_SHARE * counts[surface].total():
            mentions.append((surface, concept))
    return mentions


def _shuffled(groups: list[Group], rng: np.random.Generator) -> list[Group]:
    return [groups[index] for index in rng.permutation(len(groups)).tolist()]


def _nearest(vectors: np.ndarray, queries: list[int], depth: int) -> np.ndarray:
    """Return the places of each query's nearest vectors, nearest first: int64 of shape (queries, depth).

    Args:
        vectors: Unit vectors, float32 of shape (vectors, width).
        queries: Places of the vectors that are searched for.
        depth: Vectors per query, where there are as many.
    """
    import faiss

    if not queries:
        return np.zeros((0, 0), np.int64)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    depth = min(depth, len(vectors))
    threads = torch.get_num_threads()
    batches = [
        faiss_index.search(index, vectors[queries[start : start + 4096]], depth, threads)[1]
        for start in range(0, len(queries), 4096)
    ]
    return np.concatenate(batches)
