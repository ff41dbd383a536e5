"""Steps of a cross-encoder's training: sequences of shuffled documents, and the loss over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from raybel.rerank.layouts import LAYOUTS
from raybel.rerank.packing import PackedSequence, pack, units
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.tokens import TokenisedExample, Tokens
from raybel.rerank.training.features import TrainingMention

#: Steps that are made together: their sequences are sorted by length, so that little is padding.
STEPS_AT_ONCE = 32


@dataclass(slots=True)
class Step:
    """A step of the optimiser: its sequences, for all workers.

    Args:
        units: Units of sequences; each mention is in one unit only.
        examples: The mentions that the sequences' owners refer to.
        done: Share of the epoch that was done before the step.
    """

    units: list[list[PackedSequence]]
    examples: list[TokenisedExample]
    done: float

    def share(self, worker: int, workers: int) -> list[PackedSequence]:
        """Return the sequences of one worker."""
        return [sequence for unit in self.units[worker::workers] for sequence in unit]

    @property
    def mentions(self) -> int:
        """Number of mentions, of all workers."""
        return len({row for unit in self.units for sequence in unit for row, _ in sequence.owners})

    @property
    def pairs(self) -> int:
        """Number of pairs, of all workers."""
        return sum(len(sequence.owners) for unit in self.units for sequence in unit)


def steps(
    documents: Sequence[int],
    mentions_of: Callable[[int], list[TrainingMention]],
    crosstype: str,
    tokens: Tokens,
    parameters: CrossEncoderParameters,
    seed: Sequence[int],
    workers: int = 1,
) -> Iterator[Step]:
    """Yield an epoch's steps: the same for the same seed, on every worker.

    Args:
        documents: Numbers of all documents.
        mentions_of: Gives a document's mentions by the document's number.
        crosstype: One of `CROSSTYPES`.
        tokens: Makes token ids.
        parameters: Hyper-parameters.
        seed: Decides the order of documents, which set of candidates a mention has, their order, and which sure
            mentions are learned from.
        workers: A step holds `batch_tokens` (or `batch_size`) for each worker.
    """
    rng = np.random.default_rng(list(seed))
    shuffled = LAYOUTS[crosstype].order_matters and parameters.shuffle
    order = rng.permutation(np.asarray(documents, np.int64)).tolist()
    examples: list[TokenisedExample] = []
    weight, begun = 0, 0.0
    for number, document in enumerate(order):
        for mention in mentions_of(document):
            example = mention.dictionary if rng.random() < parameters.dictionary_share else mention.cross_fitted
            left_out = example.sure and rng.random() >= parameters.sure_share
            if example.candidates and not left_out:
                examples.append(example)
                weight += len(example.mention) + sum(map(len, example.candidates)) + len(example.context) // 2
        last = number + 1 == len(order)
        if examples and (last or weight >= STEPS_AT_ONCE * parameters.batch_tokens * workers):
            done = (number + 1) / len(order)
            orders = [rng.permutation(len(e.candidates)).tolist() for e in examples] if shuffled else None
            by_step = _units_of_steps(units(list(pack(crosstype, tokens, examples, orders))), parameters, workers)
            for place, step in enumerate(rng.permutation(len(by_step)).tolist()):
                yield Step(by_step[step], examples, begun + (done - begun) * place / len(by_step))
            examples, weight, begun = [], 0, done


def _units_of_steps(
    joined: list[list[PackedSequence]], parameters: CrossEncoderParameters, workers: int
) -> list[list[list[PackedSequence]]]:
    """Return the units of each step; units of similar length share a step."""
    most = (parameters.batch_size or parameters.batch_tokens) * workers
    by_step: list[list[list[PackedSequence]]] = []
    size = 0
    for unit in sorted(joined, key=lambda unit: max(map(len, unit))):
        own = len(unit) if parameters.batch_size else sum(map(len, unit))
        if not by_step or size + own > most:
            by_step.append([])
            size = 0
        by_step[-1].append(unit)
        size += own
    return by_step


def with_prior(
    margin: torch.Tensor, owners: Sequence[tuple[int, int]], examples: Sequence[TokenisedExample]
) -> torch.Tensor:
    """Return pairs' logits with the prior's evidence added, where mentions have one.

    Args:
        margin: Each pair's logit of "right" less that of "wrong", float32 (pairs,).
        owners: Each pair: (mention, candidate).
        examples: The mentions.
    """
    priors = [examples[row].prior for row, _ in owners]
    if all(prior is None for prior in priors):
        return margin
    added = [0.0 if of is None else float(of[candidate]) for of, (_, candidate) in zip(priors, owners, strict=True)]
    return margin + torch.tensor(added, device=margin.device)


def with_sibling_margin(
    margin: torch.Tensor, owners: Sequence[tuple[int, int]], examples: Sequence[TokenisedExample], more: float
) -> torch.Tensor:
    """Return pairs' logits, of which those of the right candidates' siblings count more, so that a loss is larger.

    A mention without its right candidate has no siblings of it. (A margin that is added to wrong answers' scores: as in
    Taskar et al., Max-margin Markov networks, NIPS 2003, in a softmax.)

    Args:
        margin: Each pair's logit of "right" less that of "wrong", float32 (pairs,).
        owners: Each pair: (mention, candidate).
        examples: The mentions.
        more: What is added.
    """
    added = [
        more if examples[row].gold >= 0 and examples[row].siblings and examples[row].siblings[candidate] else 0.0
        for row, candidate in owners
    ]
    return margin + torch.tensor(added, device=margin.device)


def loss_sum(margin: torch.Tensor, owners: Sequence[tuple[int, int]], golds: Sequence[int], kind: str) -> torch.Tensor:
    """Return the summed loss of some pairs.

    Args:
        margin: Each pair's logit of "right" less that of "wrong", float32 (pairs,).
        owners: Each pair: (mention, candidate).
        golds: The place of each mention's right candidate; -1 where it isn't among them.
        kind: `listwise`: softmax cross-entropy of each mention over its candidates and "none of them", whose logit is
            0 (so that "none" is learned where the right concept isn't among them); `binary`: cross-entropy of each
            pair.
    """
    if kind == "binary":
        right = torch.tensor([float(golds[row] == candidate) for row, candidate in owners], device=margin.device)
        return torch.nn.functional.binary_cross_entropy_with_logits(margin, right, reduction="sum")
    rows = {row: place for place, row in enumerate(dict.fromkeys(row for row, _ in owners))}
    width = 2 + max(candidate for _, candidate in owners)
    table = torch.full((len(rows), width), -torch.inf, device=margin.device)
    table[:, 0] = 0
    places = torch.tensor([[rows[row], candidate + 1] for row, candidate in owners], device=margin.device)
    table = table.index_put((places[:, 0], places[:, 1]), margin)
    target = torch.tensor([golds[row] + 1 for row in rows], device=margin.device)
    return torch.nn.functional.cross_entropy(table, target, reduction="sum")
