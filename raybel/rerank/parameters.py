"""Hyper-parameters of cross-encoders, and the published recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

from annotated_types import Ge, Lt

from raybel.config import Count, HyperParameters, Option, Positive, Share, configuration
from raybel.errors import ConfigError
from raybel.rerank.layouts import LAYOUTS

#: Which pairs of mention and candidate share a sequence. `base`: none; `parallel`: those of a mention; `multi`,
#: `passage`, `document`: those of all mentions in a sentence, passage or document; `tree`: those of all mentions in a
#: context, but a candidate sees only its own mention and the context.
Crosstype = Literal["base", "parallel", "multi", "passage", "document", "tree"]
CROSSTYPES: tuple[Crosstype, ...] = get_args(Crosstype)
#: Which mentions a re-ranker ranks: all, or those alone that its cascade doesn't take as sure.
Rerank = Literal["all", "unsure"]
Context = Literal["sentence", "passage", "document"]
CONTEXTS: tuple[Context, ...] = get_args(Context)
#: What a model does that doesn't say it, being of before it could do otherwise.
BEFORE = {
    **{"further_names": 0, "concept_type": False, "parents": 0, "definition": 0, "frequency_token": False},
    "prior": False,
}
#: The validation score that decides which epoch is the best.
EpochMetric = Literal["Acc@1", "F1", "loss"]
EPOCH_METRICS: tuple[EpochMetric, ...] = get_args(EpochMetric)


@configuration
class CrossEncoderParameters(HyperParameters):
    """Hyper-parameters of a cross-encoder; the defaults are measured in BENCHMARKS.md.

    Args:
        top_k: Candidates per mention.
        learning_rate: AdamW's peak learning rate.
        batch_size: Sequences per step, as published; None for as many as `batch_tokens` holds.
        batch_tokens: Tokens per step, of each worker.
        max_epochs: Passes over the training mentions.
        patience: Epochs without a better validation score before training stops.
        metric: The validation score that decides: `Acc@1`, `F1` (macro, over pairs) or `loss`.
        context: `sentence`, `passage` or `document`; the types `passage` and `document` have their own.
        context_last: Whether a sequence's context comes after its mentions and candidates, which then have the first
            positions, which encoders of short texts know best; None: if it is longer than a sentence. A `tree`'s
            context comes first.
        loss: `listwise`: softmax over a mention's candidates and "none of them"; `binary`: each pair by itself.
        alias: Whether a candidate's block shows the alias that matched, where it isn't the name.
        further_names: How many further names of the concept a candidate's block shows, those nearest to the mention.
        concept_type: Whether it shows the concept's types, or the branch that its first tree number is in.
        parents: How many of the concepts directly above it are named there, where the ontology has them.
        definition: How many tokens of the first sentence of its definition are shown there; 0 for none.
        score_token: Whether a candidate's block shows the first stage's score, as one of ten tokens.
        frequency_token: Whether it shows how many training mentions its concept has, as one of seven tokens.
        prior: Whether a prior (`rerank.priors`), fitted on the training mentions, says how likely each candidate is by
            what the model isn't shown, and the model learns only what that doesn't tell.
        shuffle: Whether candidates that see each other come in random order in training.
        calibrate: Whether logits, first-stage scores and ranks, and the prior's evidence are combined into
            probabilities, by weights that are fitted on the validation corpus.
        train_on: `all` training mentions, or the `unsure` ones alone: those that the first stage doesn't settle
            (`rerank.training.sure`).
        sure_share: Where it is trained on unsure mentions, the share of the sure ones, drawn anew in each epoch, that
            it is trained on all the same.
        sibling_margin: How much a logit counts more in the listwise loss if its candidate is wrong and shares a parent
            with the right one, so that the right one is learned to be better by that much; 0 for none.
        dictionary_share: Share of training mentions, drawn anew in each epoch, whose candidates come from the
            ontology's names alone; the others' from other documents' training mentions too.
        warm_up: Share of the steps over which the learning rate rises; it then falls to 0 linearly. None for a constant
            rate.
        weight_decay: AdamW's; with 0 it is Adam.
        averaging: The model that counts has weights averaged over steps: the share of the average that stays in each
            step; 0 for the last step's weights.
        layers: How many of the base model's layers are kept, from the embeddings on (Sajjad et al., Computer Speech &
            Language 77, 2023: the upper ones are missed least); None for all. What re-ranking costs is proportional.
        dropout: Dropout of the model's layers; None for its own. (On a CPU it costs a third of the speed.)
        max_length: The most tokens in a sequence; None for the model's window, at most 512.
        pretrain_examples: The most names that are drawn from ontologies to be learned before the corpora.
        pretrain_epochs: Passes over these.
    """

    model: ClassVar[str] = "cross-encoder"

    top_k: Annotated[Count, Option("Candidates of a mention; over --params.", default="the recipe's")] = 5
    learning_rate: Positive = 1e-4
    batch_size: Count | None = None
    batch_tokens: Count = 1024
    max_epochs: Annotated[Count, Option("Most passes over the mentions; over --params.", default="the recipe's")] = 3
    patience: Annotated[
        Count, Option("Over --params: epochs without a better score before training stops.", default="the recipe's")
    ] = 2
    metric: EpochMetric = "Acc@1"
    context: Context = "sentence"
    context_last: bool | None = None
    loss: Literal["listwise", "binary"] = "listwise"
    alias: bool = True
    further_names: Annotated[int, Ge(0)] = 0
    concept_type: bool = False
    parents: Annotated[int, Ge(0)] = 0
    definition: Annotated[int, Ge(0)] = 0
    score_token: bool = True
    frequency_token: bool = False
    prior: bool = True
    shuffle: bool = True
    calibrate: bool = True
    train_on: Literal["all", "unsure"] = "all"
    sure_share: Share = 0.0
    sibling_margin: Annotated[float, Ge(0)] = 0.0
    dictionary_share: Share = 0.5
    warm_up: Share | None = 0.1
    weight_decay: Annotated[float, Ge(0)] = 0.01
    averaging: Annotated[float, Ge(0), Lt(1)] = 0.0
    layers: Count | None = None
    dropout: Share | None = 0.0
    max_length: Count | None = None
    pretrain_examples: Count = 100_000
    pretrain_epochs: Count = 1

    @classmethod
    def of_model(cls, held: Mapping[str, Any]) -> CrossEncoderParameters:
        """Return the hyper-parameters that a model was trained with.

        Args:
            held: Those that its `raybel.json` says; there may have been fewer when it was trained.

        Raises:
            ConfigError: One is unknown, or its value can't be.
        """
        return cls().changed({**BEFORE, **held})

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
            further_names=0,
            concept_type=False,
            parents=0,
            definition=0,
            score_token=False,
            frequency_token=False,
            prior=False,
            shuffle=False,
            calibrate=False,
            train_on="all",
            sure_share=0.0,
            sibling_margin=0.0,
            dictionary_share=0.0,
            warm_up=None,
            weight_decay=0.0,
            averaging=0.0,
            layers=None,
            dropout=None,
        )

    def of_type(self, crosstype: str) -> CrossEncoderParameters:
        """Return these hyper-parameters, with the type's own context where it has one.

        Raises:
            ConfigError: There is no such type, a `tree` is to have its context last, or a margin is to be in a loss of
                single pairs.
        """
        if crosstype not in CROSSTYPES:
            raise ConfigError(f"crosstype must be one of {', '.join(CROSSTYPES)}, not {crosstype!r}")
        layout = LAYOUTS[crosstype]
        if layout.tree and self.context_last:
            raise ConfigError("a tree's context comes first: context_last can't be true")
        if self.sibling_margin and self.loss == "binary":
            raise ConfigError("sibling_margin is one of the listwise loss: it must be 0 where the loss is binary")
        return self.changed({"context": layout.context}) if layout.context else self

    def ends_with_context(self, crosstype: str) -> bool:
        """Return whether a type's sequences have their context last."""
        if self.context_last is None:
            return not LAYOUTS[crosstype].tree and self.context != "sentence"
        return self.context_last
