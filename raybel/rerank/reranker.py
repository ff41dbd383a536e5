"""Ranks the candidates of mentions with a trained cross-encoder, opened from its directory."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from raybel.candidates.base import Generator
from raybel.corpus.typography import check_folding
from raybel.encoders.precision import PRECISIONS, best_precision
from raybel.errors import ConfigError, InputError, MismatchError
from raybel.files import artefacts, storage, things
from raybel.files.fingerprints import fingerprint
from raybel.ontology import Ontology
from raybel.rerank import model as models
from raybel.rerank.calibration import Calibration
from raybel.rerank.cascade import Cascade, cascade_for
from raybel.rerank.examples import Example
from raybel.rerank.layouts import LAYOUTS, Layout
from raybel.rerank.packing import pack
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.priors import Prior, prior_for
from raybel.rerank.ranking import Ranking, ranked
from raybel.rerank.scoring import Scorer
from raybel.rerank.tokens import Tokens

STATE = "raybel.json"
KIND, VERSION = "crossencoder", 4
#: Models of before mentions were settled by a prior.
_BEFORE = 3
WEIGHTS = "model.safetensors"
#: What `raybel.json` must hold.
_KEYS = (
    *("crosstype", "parameters", "edges", "calibration", "ontology_fingerprint"),
    *("generator", "fingerprint", "files", "weights"),
)


def describe(directory: str, ontology: Ontology | None = None, crosstype: str | None = None) -> dict[str, Any]:
    """Return what a directory's `raybel.json` says, without loading the model.

    Args:
        directory: The directory of a trained cross-encoder.
        ontology: The ontology that it must have been trained for; None for any.
        crosstype: The type that it must have; None for any.

    Raises:
        InputError: It holds no finished cross-encoder, or a damaged one.
        MismatchError: It is of another version, type or ontology.
    """
    if not storage.exists(directory):
        raise InputError("no such directory", path=directory)
    things.expect(directory, KIND)
    path = storage.join(directory, STATE)
    value = storage.read_json(path) if storage.exists(path) else {}
    state: dict[str, Any] = value if isinstance(value, dict) else {}
    if state.get("kind") != KIND:
        raise InputError("holds no cross-encoder of `raybel train crossencoder`", path=directory)
    if not state.get("finished"):
        raise InputError("its training isn't finished: run the same `raybel train crossencoder` again", path=directory)
    if state.get("version") not in (_BEFORE, VERSION):
        raise MismatchError(f"{directory} has the format {state.get('version')}, not {VERSION}: train it again")
    if missing := [name for name in _KEYS if name not in state]:
        raise InputError(f"lacks {', '.join(missing)}: train the model again", path=path)
    check_folding(directory, state.get("folding"))
    try:
        CrossEncoderParameters.of_model(state["parameters"]).of_type(state["crosstype"])
        Calibration(**(state["calibration"] or {}))
        named = [
            *(each.generator for each in cascades_of(state)),
            *(each["generator"] for each in state.get("generators", ())),
            *(each.generator for each in priors_of(state)),
        ]
        if not all(name.split() for name in named):
            raise ValueError("a generator has no name")
        for each in (state, *state.get("generators", ())):
            np.asarray(each["edges"], np.float32)
        ontologies_of(state)
    except (AttributeError, ConfigError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{error}: train the model again", path=path) from error
    artefacts.check_sizes(directory, state["files"])
    if crosstype is not None and state["crosstype"] != crosstype:
        raise MismatchError(f"{directory} is of the type {state['crosstype']}, not {crosstype}")
    if ontology is not None and ontology.fingerprint not in ontologies_of(state):
        raise MismatchError(
            f"{directory} was trained for another ontology (fingerprint {state['ontology_fingerprint']}) than "
            f"{ontology.path} ({ontology.fingerprint}): train it for this one, or give --any-ontology to use it all "
            "the same"
        )
    return state


def ontologies_of(state: Mapping[str, Any]) -> list[str]:
    """Return the fingerprints of the ontologies that a model was trained for, the main corpus's first."""
    return [state["ontology_fingerprint"], *(each["ontology"] for each in state.get("generators", ()))]


def edges_for(state: Mapping[str, Any], generator: Generator) -> list[float]:
    """Return the borders between a generator's scores that a model was trained with.

    Those of that generator; else of one of its kind, or of any kind, for its ontology; else the main corpus's.
    """
    known = [each for each in state.get("generators", ()) if each["ontology"] == generator.ontology_fingerprint]
    kind = [each for each in known if each["generator"].split()[0] == generator.name]
    same = [each for each in known if each["generator"] == generator.description]
    edges: list[float] = next(iter([*same, *kind, *known, state]))["edges"]
    return edges


def cascades_of(state: Mapping[str, Any]) -> list[Cascade]:
    """Return the rules that a `raybel.json` holds, of each generator that some were fitted to; [] without any.

    One of before each generator had its own holds a single one, without the generator's fingerprint.
    """
    single = state.get("cascade")
    if single is not None:
        ontology = state.get("cascade_ontology", state["ontology_fingerprint"])
        return [Cascade.from_dict({"ontology": ontology, **single})]
    return [Cascade.from_dict(held) for held in state.get("cascades", ())]


def priors_of(state: Mapping[str, Any]) -> list[Prior]:
    """Return the priors that a `raybel.json` holds, of each generator that training mentions had candidates of."""
    return [Prior.from_dict(held) for held in state.get("priors", ())]


def with_cascades(state: Mapping[str, Any], cascades: Sequence[Cascade]) -> dict[str, Any]:
    """Return what a `raybel.json` says with further rules, and the model's fingerprint.

    A rule takes the place of one for the same generator; of one whose generator isn't known but for its kind, if both
    are for the same ontology.
    """
    fitted = {(each.ontology, name) for each in cascades for name in (each.generator, each.generator_name)}
    kept = [each for each in cascades_of(state) if (each.ontology, each.generator) not in fitted]
    held = {"cascades": [each.to_dict() for each in (*kept, *cascades)]} if kept or cascades else {}
    several = {name: state[name] for name in ("generators", "priors") if state.get(name)}
    result = {name: state[name] for name in ("weights", "edges", "calibration")} | several | held
    others = {name: value for name, value in state.items() if name not in ("cascade", "cascade_ontology", "cascades")}
    return {**others, **held, "version": VERSION, "fingerprint": fingerprint(result)}


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
        found = self.scorer.logits(self.scorer.tokens(examples))
        if not all(np.isfinite(of_mention).all() for of_mention in found):
            raise InputError(
                "the cross-encoder gives scores that aren't numbers (NaN or infinite): are its weights damaged?",
                path=self.home,
            )
        return found

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
        weights = self.cascade.settled if self.settles_by_prior and self.cascade is not None else None
        if weights is None:
            return [None] * len(examples)
        return [
            None if prior is None else ranked(np.zeros_like(prior), example.candidates["score"], weights, prior)
            for example, prior in zip(examples, self.priors(examples), strict=True)
        ]

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
            unsure: Whether these are the mentions alone that the cascade doesn't take as sure: they have weights of
                their own.

        Raises:
            InputError: A score isn't a number (NaN or infinite): the weights are damaged, or overflow the precision.
        """
        calibration = self.calibration
        if self.cascade is not None:
            calibration = self.cascade.unsure if unsure else self.cascade.every or calibration
        of_mentions = zip(self.logits(examples), examples, self.priors(examples), strict=True)
        return [
            ranked(logits, example.candidates["score"], calibration, prior) for logits, example, prior in of_mentions
        ]
