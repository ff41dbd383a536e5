"""What a training step sees: sequences of shuffled documents, and the loss over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from raybel.rerank.layouts import LAYOUTS
from raybel.rerank.packing import Packed, pack, units
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.tokens import Tokenised, Tokens

#: Steps made at once: their sequences are sorted by length, so that little is padding.
STEPS = 32


@dataclass(slots=True)
class Lesson:
    """A training mention in both regimes.

    Args:
        fitted: With candidates that other documents' training mentions help to find; never its own document's.
        dictionary: With candidates by the ontology's names alone.
    """

    fitted: Tokenised
    dictionary: Tokenised


@dataclass(slots=True)
class Step:
    """Sequences of one step, of all workers.

    Args:
        units: Each mention's sequences are in one unit.
        examples: What the sequences' owners refer to.
        done: Share of the epoch that lies before the step.
    """

    units: list[list[Packed]]
    examples: list[Tokenised]
    done: float

    def share(self, worker: int, workers: int) -> list[Packed]:
        """Return the sequences of one worker."""
        return [each for unit in self.units[worker::workers] for each in unit]

    @property
    def mentions(self) -> int:
        """How many mentions, of all workers."""
        return len({owner[0] for unit in self.units for each in unit for owner in each.owners})

    @property
    def pairs(self) -> int:
        """How many pairs, of all workers."""
        return sum(len(each.owners) for unit in self.units for each in unit)


def steps(
    documents: Sequence[int],
    lessons: Callable[[int], list[Lesson]],
    crosstype: str,
    tokens: Tokens,
    parameters: CrossEncoderParameters,
    seed: Sequence[int],
    workers: int = 1,
) -> Iterator[Step]:
    """Yield an epoch's steps: the same for the same seed, on every worker.

    Args:
        documents: Numbers of all documents.
        lessons: Gives a document's lessons.
        crosstype: One of `CROSSTYPES`.
        tokens: Makes token ids.
        parameters: Hyper-parameters.
        seed: Of documents' order, regimes, candidates' order.
        workers: Steps hold so many times `batch_tokens` (or `batch_size`).
    """
    rng = np.random.default_rng(list(seed))
    mixed = LAYOUTS[crosstype].order_matters and parameters.shuffle
    order = rng.permutation(np.asarray(documents, np.int64)).tolist()
    held: list[Tokenised] = []
    weight, begun = 0, 0.0
    for number, document in enumerate(order):
        for lesson in lessons(document):
            example = lesson.dictionary if rng.random() < parameters.dictionary_share else lesson.fitted
            if example.candidates:
                held.append(example)
                weight += len(example.mention) + sum(map(len, example.candidates)) + len(example.context) // 2
        last = number + 1 == len(order)
        if held and (last or weight >= STEPS * parameters.batch_tokens * workers):
            done = (number + 1) / len(order)
            orders = [rng.permutation(len(each.candidates)).tolist() for each in held] if mixed else None
            every = units(list(pack(crosstype, tokens, held, orders)))
            made = _cut(every, parameters, workers)
            for place, chosen in enumerate(rng.permutation(len(made)).tolist()):
                yield Step(made[chosen], held, begun + (done - begun) * place / len(made))
            held, weight, begun = [], 0, done


def _cut(every: list[list[Packed]], parameters: CrossEncoderParameters, workers: int) -> list[list[list[Packed]]]:
    """Cut units, sorted by their longest sequence, into steps."""
    most = (parameters.batch_size or parameters.batch_tokens) * workers
    made: list[list[list[Packed]]] = []
    size = 0
    for unit in sorted(every, key=lambda unit: max(map(len, unit))):
        own = len(unit) if parameters.batch_size else sum(map(len, unit))
        if not made or size + own > most:
            made.append([])
            size = 0
        made[-1].append(unit)
        size += own
    return made


def loss_sum(margin: torch.Tensor, owners: Sequence[tuple[int, int]], golds: Sequence[int], kind: str) -> torch.Tensor:
    """Return the summed loss of some pairs.

    Args:
        margin: Logit of "right" less that of "wrong" of each pair, float32 (pairs,).
        owners: (mention, candidate) of each.
        golds: Which candidate of each mention is right; -1 for none of them.
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
