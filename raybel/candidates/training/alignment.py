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
from itertools import pairwise

import numpy as np
import torch

from raybel.candidates import faiss_index
from raybel.candidates.aliases import AliasTable
from raybel.candidates.training.losses import Group
from raybel.candidates.training.parameters import AlignmentParameters

#: Strings looked at for hard negatives of one.
NEIGHBOURS = 200
#: A surface is taken to mean its most frequent concept if that has this share of its mentions, else left out.
CLEAR = 0.8


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
