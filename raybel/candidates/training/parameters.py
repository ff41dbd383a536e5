"""Hyper-parameters of an encoder's training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from raybel.errors import ConfigError


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
