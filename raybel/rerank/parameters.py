"""Hyper-parameters of cross-encoders, and the published recipe."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

from raybel.errors import ConfigError
from raybel.rerank.layouts import LAYOUTS

#: How pairs of mention and candidate share a sequence, and what a sequence's context is. `base`: a pair; `parallel`: a
#: mention's candidates; `multi`, `passage`, `document`: all mentions of a context; `tree`: the same, but a candidate
#: sees only its own mention and the context.
CROSSTYPES = ("base", "parallel", "multi", "passage", "document", "tree")
CONTEXTS = ("sentence", "passage", "document")
LOSSES = ("listwise", "binary")
METRICS = ("Acc@1", "F1", "loss")


@dataclass(frozen=True)
class CrossEncoderParameters:
    """Hyper-parameters; the defaults are measured in BENCHMARKS.md.

    Args:
        top_k: Candidates of a mention.
        learning_rate: Of AdamW, at its highest.
        batch_size: Sequences in a step, as published; None for as many as `batch_tokens` holds.
        batch_tokens: Tokens in a step, of each worker.
        max_epochs: Passes over the training mentions.
        patience: Epochs without a better validation score before training stops.
        metric: What is better: `Acc@1` or `F1` (macro, over pairs) of the validation corpus, or its `loss`.
        context: `sentence`, `passage` or `document`; the types `passage` and `document` have their own.
        context_last: Whether a sequence's context stands behind its mentions and candidates, which then have the first
            positions, where encoders of short texts are at home; None: where it is longer than a sentence. A `tree`'s
            comes first.
        loss: `listwise`: softmax over a mention's candidates and "none of them"; `binary`: each pair by itself.
        alias: Whether a candidate's block shows the alias that matched, where it isn't the name.
        score_token: Whether it shows the first stage's score, as one of ten tokens.
        shuffle: Whether candidates come in random order in training, where they see each other.
        calibrate: Whether logits, first-stage score and rank are combined into probabilities, by weights that are
            fitted on the validation corpus.
        dictionary_share: Share of training mentions, drawn anew in each epoch, whose candidates come from the
            ontology's names alone; the others' from other documents' training mentions too.
        warm_up: Share of the steps over which the learning rate rises; it then falls to 0 linearly. None for a constant
            rate.
        weight_decay: Of AdamW; with 0 it is Adam.
        dropout: Of the model's layers; None for its own. (On a CPU it costs a third of the speed.)
        max_length: Tokens of a sequence; None for the model's window, at most 512.
    """

    top_k: int = 5
    learning_rate: float = 1e-4
    batch_size: int | None = None
    batch_tokens: int = 1024
    max_epochs: int = 3
    patience: int = 2
    metric: str = "Acc@1"
    context: str = "sentence"
    context_last: bool | None = None
    loss: str = "listwise"
    alias: bool = True
    score_token: bool = True
    shuffle: bool = True
    calibrate: bool = True
    dictionary_share: float = 0.5
    warm_up: float | None = 0.1
    weight_decay: float = 0.01
    dropout: float | None = 0.0
    max_length: int | None = None

    def __post_init__(self) -> None:
        for name in ("top_k", "batch_tokens", "max_epochs", "patience", "batch_size", "max_length"):
            value = getattr(self, name)
            if value is None and name in ("batch_size", "max_length"):
                continue
            if not isinstance(value, int) or isinstance(value, bool):
                raise ConfigError(f"{name} must be a whole number, not {value!r}")
        for name in ("top_k", "batch_tokens", "max_epochs", "patience"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.batch_size is not None and self.batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, not {self.batch_size}")
        for name, known in (("context", CONTEXTS), ("loss", LOSSES), ("metric", METRICS)):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name} must be one of {', '.join(known)}, not {getattr(self, name)!r}")
        for name in ("alias", "score_token", "shuffle", "calibrate", "context_last"):
            value = getattr(self, name)
            if not (isinstance(value, bool) or (value is None and name == "context_last")):
                raise ConfigError(f"{name} must be true or false, not {value!r}")
        if not (0 < self.learning_rate < math.inf and 0 <= self.weight_decay < math.inf):
            raise ConfigError("learning_rate must be above 0, weight_decay not below, both finite")
        shares = {"dictionary_share": self.dictionary_share, "warm_up": self.warm_up, "dropout": self.dropout}
        for name, share in shares.items():
            if share is not None and not 0 <= share <= 1:
                raise ConfigError(f"{name} must lie in 0..1, not {share}")

    @classmethod
    def published(cls) -> CrossEncoderParameters:
        """The recipe of Sanz-Cruzado & Lever (BioNLP 2025).

        Its system tunes learning rate and batch size; these are common values.
        """
        return cls(
            learning_rate=5e-5,
            batch_size=16,
            max_epochs=16,
            patience=3,
            metric="F1",
            context_last=False,
            loss="binary",
            alias=False,
            score_token=False,
            shuffle=False,
            calibrate=False,
            dictionary_share=0.0,
            warm_up=None,
            weight_decay=0.0,
            dropout=None,
        )

    def changed(self, values: dict[str, Any]) -> CrossEncoderParameters:
        """Return these with some values of a `params.json` in their place.

        Raises:
            ConfigError: A name that isn't a hyper-parameter, or a value of the wrong type or out of range.
        """
        known = [each.name for each in fields(self)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ConfigError(f"unknown cross-encoder parameters: {', '.join(unknown)}; there are {', '.join(known)}")
        try:
            return replace(self, **values)
        except TypeError as error:
            raise ConfigError(f"a cross-encoder parameter has a value of the wrong type: {error}") from error

    def of_type(self, crosstype: str) -> CrossEncoderParameters:
        """Return these with the context that a type has of its own.

        Raises:
            ConfigError: No such type, or a `tree` with its context last.
        """
        if crosstype not in CROSSTYPES:
            raise ConfigError(f"crosstype must be one of {', '.join(CROSSTYPES)}, not {crosstype!r}")
        layout = LAYOUTS[crosstype]
        if layout.tree and self.context_last:
            raise ConfigError("a tree's context comes first: context_last can't be true")
        return replace(self, context=layout.context) if layout.context else self

    def ends_with_context(self, crosstype: str) -> bool:
        """Return whether a type's sequences have their context last."""
        if self.context_last is None:
            return not LAYOUTS[crosstype].tree and self.context != "sentence"
        return self.context_last
