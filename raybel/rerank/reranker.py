"""Ranks the candidates of mentions with a trained cross-encoder, opened from its directory."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from raybel.candidates.base import Generator
from raybel.encoders.precision import PRECISIONS, best_precision
from raybel.errors import ConfigError, InputError
from raybel.files import storage
from raybel.rerank import model as models
from raybel.rerank.calibration import Calibration
from raybel.rerank.cascade import Cascade, cascade_for
from raybel.rerank.examples import Example
from raybel.rerank.layouts import LAYOUTS, Layout
from raybel.rerank.packing import pack
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.priors import Prior, prior_for
from raybel.rerank.pruning import kept, merged
from raybel.rerank.ranking import Ranking, ranked
from raybel.rerank.scoring import Scorer
from raybel.rerank.state import WEIGHTS, cascades_of, describe, edges_for, priors_of
from raybel.rerank.tokens import Tokens


def device() -> str:
    """Return where models compute on this machine, outside of Ray's workers."""
    return "cuda" if torch.cuda.is_available() else "cpu"


class Reranker:
    """Ranks candidates; made by `load`.

    Args:
        scorer: Gives the candidates' logits.
        calibration: Makes probabilities of logits; None for the published way, in which each pair has its own.
        parameters: What the model was trained with.
        home: The model's directory, for messages.
        cascades: Say which mentions needn't be ranked, for each generator; [] where all must be.
        state: What its `raybel.json` says.
    """

    def __init__(
        self,
        scorer: Scorer,
        calibration: Calibration | None,
        parameters: CrossEncoderParameters,
        home: str = "",
        cascades: Sequence[Cascade] = (),
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self.scorer, self.calibration, self.parameters = scorer, calibration, parameters
        self.home, self.cascades, self.state = home, cascades, state
        #: The rule that holds, once it is known for which generator (`for_generator`); None where all must be ranked.
        self.cascade: Cascade | None = None
        #: What logits are added to: the main corpus's, until it is known for which generator; None for nothing.
        self.prior: Prior | None = next(iter(priors_of(state or {})), None)

    @classmethod
    def load(
        cls, directory: str, device: str = "cpu", precision: str | None = None, budget: int | None = None
    ) -> Reranker:
        """Load a directory.

        Args:
            directory: Path or URI.
            device: `cpu` or a CUDA device.
            precision: `fp32`, `bf16`, `fp16`; None for the fastest that the device has.
            budget: Tokens per batch; None for what suits the device.

        Raises:
            InputError: It holds no finished cross-encoder, or a damaged one.
            MismatchError: It is of another version.
            ConfigError: There is no such precision.
        """
        return cls.of_state(directory, describe(directory), device, precision, budget)

    @classmethod
    def of_state(
        cls,
        directory: str,
        state: Mapping[str, Any],
        device: str = "cpu",
        precision: str | None = None,
        budget: int | None = None,
    ) -> Reranker:
        """Load a directory, whose `raybel.json` says `state`, or will say it; see `load`."""
        if precision is not None and precision not in PRECISIONS:
            raise ConfigError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
        parameters = CrossEncoderParameters.of_model(state["parameters"])
        home = storage.localise(directory)
        if storage.size_and_digest(str(home / WEIGHTS))[1] != state["weights"]:
            raise InputError("isn't what training wrote: copy or train the model again", path=f"{directory}/{WEIGHTS}")
        model, tokenizer = models.load(home, head=True)
        tokens = Tokens(tokenizer, models.window(model, tokenizer), parameters, state["edges"])
        model = model.to(device=device, dtype=PRECISIONS[precision or best_precision(device)]).eval()  # type: ignore[call-arg]
        encoder = models.CrossEncoder(model, state["crosstype"], tokens.pad)
        calibration = Calibration(**state["calibration"]) if state["calibration"] else None
        scorer = Scorer(encoder, state["crosstype"], tokens, device, budget)
        return cls(scorer, calibration, parameters, directory, cascades_of(state), state)

    @property
    def layout(self) -> Layout:
        """What its sequences share."""
        return LAYOUTS[self.scorer.crosstype]

    def for_generator(self, generator: Generator) -> Reranker:
        """Return the same model, with rule and prior for a generator, and shown its scores as in training.

        The prior is the one that the rule was fitted with, whose weights are for no other one's evidence.
        """
        adapted = copy.copy(self)
        adapted.cascade = cascade = cascade_for(self.cascades, generator)
        if self.state is None:
            return adapted
        fitted_to = (generator.description, generator.ontology_fingerprint)
        if cascade is not None:
            fitted_to = (cascade.generator, cascade.ontology)
        adapted.prior = prior_for(priors_of(self.state), *fitted_to)
        adapted.scorer = copy.copy(self.scorer)
        adapted.scorer.tokens = copy.copy(self.scorer.tokens)
        adapted.scorer.tokens.edges = np.asarray(edges_for(self.state, generator), np.float32)
        return adapted

    def logits(self, examples: Sequence[Example]) -> list[np.ndarray]:
        """Return the logits of each mention's candidates, float32.

        Raises:
            InputError: One isn't a number (NaN or infinite): the weights are damaged, or overflow the precision.
        """
        scored = [example for example in examples if example.names]  # others needn't be tokenised
        found = self.scorer.logits(self.scorer.tokens(scored))
        if not all(np.isfinite(of_mention).all() for of_mention in found):
            raise InputError(
                "the cross-encoder gives scores that aren't numbers (NaN or infinite): are its weights damaged?",
                path=self.home,
            )
        of_scored = iter(found)
        return [next(of_scored) if example.names else np.zeros(0, np.float32) for example in examples]

    def token_count(self, examples: Sequence[Example]) -> int:
        """Return how many tokens the model reads to rank mentions, without padding."""
        tokens = self.scorer.tokens
        return sum(map(len, pack(self.scorer.crosstype, tokens, tokens(examples))))

    def priors(self, examples: Sequence[Example]) -> list[np.ndarray | None]:
        """Return the prior's evidence for each mention's candidates, float32; None where there is none."""
        known = [example.known for example in examples if example.known is not None]
        if self.prior is None or not known:
            return [None] * len(examples)
        evidence = iter(self.prior.evidence(known))
        return [None if example.known is None else next(evidence) for example in examples]

    @property
    def settles_by_prior(self) -> bool:
        """Whether the cascade settles mentions with the prior; it knows more than the first stage."""
        return self.prior is not None and self.cascade is not None and self.cascade.settled is not None

    def by_prior(self, examples: Sequence[Example]) -> list[Ranking | None]:
        """Return mentions' rankings without the model, by the first stage's scores and the prior.

        Args:
            examples: The mentions.

        Returns:
            None for all unless the cascade settles mentions with the prior; and for those without `known`.
        """
        return self._by_prior(examples, self.priors(examples)) if self.settles_by_prior else [None] * len(examples)

    def _by_prior(self, examples: Sequence[Example], priors: Sequence[np.ndarray | None]) -> list[Ranking | None]:
        assert self.cascade is not None, "it settles by the prior"
        found: list[Ranking | None] = []
        for example, prior in zip(examples, priors, strict=True):
            if prior is None:
                found.append(None)
                continue
            ranking = ranked(np.zeros_like(prior), example.candidates["score"], self.cascade.settled, prior)
            found.append(replace(ranking, unscored=len(prior)))
        return found

    def settled(self, examples: Sequence[Example]) -> list[Ranking | None]:
        """Return the rankings of the mentions that are sure by the prior; None for the others: see `by_prior`."""
        cascade = self.cascade
        return [
            each if each is not None and cascade is not None and cascade.is_sure(each.scores) else None
            for each in self.by_prior(examples)
        ]

    def rank(self, examples: Sequence[Example], unsure: bool = False) -> list[Ranking]:
        """Return each mention's candidates in their new order, with probabilities.

        Args:
            examples: The mentions.
            unsure: Whether these are the mentions alone that the cascade doesn't take as sure: it has weights for them,
                and not all of their candidates need be scored (`rerank.pruning`).

        Raises:
            InputError: A score isn't a number (NaN or infinite): the weights are damaged, or overflow the precision.
        """
        calibration = self.calibration
        if self.cascade is not None:
            calibration = self.cascade.unsure if unsure else self.cascade.every or calibration
        priors = self.priors(examples)
        without_model: list[Ranking | None] = [None] * len(examples)
        if unsure and self._prunes:
            without_model = self._by_prior(examples, priors)
        places = self._scored(examples, without_model)
        priors = [None if prior is None else prior[of] for prior, of in zip(priors, places, strict=True)]
        shown = [example.of_candidates(of) for example, of in zip(examples, places, strict=True)]
        by_model = [
            ranked(logits, example.candidates["score"], calibration, prior)
            for logits, example, prior in zip(self.logits(shown), shown, priors, strict=True)
        ]
        return [
            scored if ranking is None else merged(ranking, of, scored)
            for ranking, of, scored in zip(without_model, places, by_model, strict=True)
        ]

    @property
    def _prunes(self) -> bool:
        return self.settles_by_prior and self.cascade is not None and self.cascade.pruned_below is not None

    def shown(self, examples: Sequence[Example]) -> list[Example]:
        """Return unsure mentions as the model sees them, without the candidates that are pruned (`rerank.pruning`)."""
        places = self._scored(examples, self.by_prior(examples))
        return [example.of_candidates(of) for example, of in zip(examples, places, strict=True)]

    def _scored(self, examples: Sequence[Example], without_model: Sequence[Ranking | None]) -> list[np.ndarray]:
        """Return the places of the candidates that the model scores."""
        pruned_below = None if self.cascade is None else self.cascade.pruned_below
        return [
            np.arange(len(example.names)) if ranking is None else kept(ranking, pruned_below)
            for example, ranking in zip(examples, without_model, strict=True)
        ]
