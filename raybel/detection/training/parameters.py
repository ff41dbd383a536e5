"""Hyper-parameters of a token classifier's training."""

from __future__ import annotations

from typing import Annotated, ClassVar

from annotated_types import Ge, Lt

from raybel.config import Count, HyperParameters, Option, Positive, Share, configuration

#: Units of a layer up to which a model counts as a small one (MiniLM: 384, BERT-base: 768), and learning rates.
SMALL, SMALL_RATE, LARGE_RATE = 512, 2e-4, 5e-5


@configuration
class DetectorParameters(HyperParameters):
    """Hyper-parameters of a token classifier; the defaults are measured in BENCHMARKS.md.

    Args:
        learning_rate: AdamW's peak learning rate; None for `SMALL_RATE` for a model of at most `SMALL` units, else
            `LARGE_RATE`. (Larger models lose what they know at a rate that small ones need.)
        batch_tokens: Tokens per step, of each worker.
        max_epochs: Passes over the training corpora.
        patience: Epochs without a better validation score before training stops.
        context_tokens: The most tokens of a document's consecutive sentences that the model sees at once; 0 for each
            sentence by itself.
        case: Whether a model whose tokenizer drops capitals is told by token types which words have some.
        mask: Share of a step's tokens that are replaced by the tokenizer's mask, if it has one: a mention is then also
            learned by what is around it.
        warm_up: Share of the steps over which the learning rate rises; it then falls to 0 linearly.
        weight_decay: AdamW's.
        averaging: The model that counts has weights averaged over steps: the share of the average that stays in each
            step; 0 for the last step's weights.
        dropout: Dropout of the model's layers; None for its own.
    """

    model: ClassVar[str] = "detector"

    learning_rate: Positive | None = None
    batch_tokens: Count = 1536
    max_epochs: Annotated[Count, Option("Most passes over the corpora; over --params.", default="the recipe's")] = 10
    patience: Count = 4
    context_tokens: Annotated[int, Ge(0)] = 254
    case: bool = True
    mask: Share = 0.1
    warm_up: Share = 0.1
    weight_decay: Annotated[float, Ge(0)] = 0.01
    averaging: Annotated[float, Ge(0), Lt(1)] = 0.995
    dropout: Share | None = 0.1

    def peak_rate(self, units: int) -> float:
        """Return the peak learning rate for a model whose layers have so many units."""
        return self.learning_rate or (SMALL_RATE if units <= SMALL else LARGE_RATE)
