"""Hyper-parameters of an encoder's training."""

from __future__ import annotations

from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le

from raybel.config import Count, HyperParameters, Positive, Share, configuration
from raybel.errors import ConfigError


@configuration
class AlignmentParameters(HyperParameters):
    """Hyper-parameters of an encoder's training; the defaults are measured in BENCHMARKS.md.

    Args:
        synonym_learning_rate: AdamW's peak learning rate on synonyms; it rises over the first 30 steps of a stage, then
            falls to 0 linearly.
        mention_learning_rate: The same on mentions.
        synonym_epochs: Passes over synonym pairs.
        mention_epochs: Passes over the training mentions.
        pairs: Synonym pairs per epoch.
        replay: How many of the ontology's names are trained on as if they were mentions, per distinct mention.
        batch_size: Pairs per batch; of mentions it holds half as many.
        negatives: Wrong candidates per mention.
        pair_negatives: Wrong strings per synonym pair.
        temperature: That of the softmax over a mention's candidates.
        dictionary_share: Share of mentions whose candidates are the ontology's names only; those of the others are
            training mentions' strings too.
        average: Weight of the trained weights in the result, against the base model's: what is learned on few names
            then costs less of what the base model knows (Wortsman et al., CVPR 2022).
        pool_strings: Strings among which hard negatives are searched for; of larger ontologies a sample of concepts is
            drawn for each epoch.
    """

    model: ClassVar[str] = "sapbert"

    synonym_learning_rate: Positive = 5e-6
    mention_learning_rate: Positive = 3e-5
    synonym_epochs: Annotated[int, Ge(0)] = 1
    mention_epochs: Annotated[int, Ge(0)] = 3
    pairs: Count = 8_000
    replay: Annotated[float, Ge(0)] = 1.0
    batch_size: Count = 64
    negatives: Count = 8
    pair_negatives: Annotated[int, Ge(0)] = 2
    temperature: Positive = 0.05
    dictionary_share: Share = 0.5
    average: Annotated[float, Gt(0), Le(1)] = 0.7
    pool_strings: Count = 500_000

    def __post_init__(self) -> None:
        if not self.synonym_epochs + self.mention_epochs:
            raise ConfigError("nothing to train: synonym_epochs and mention_epochs are both 0")
