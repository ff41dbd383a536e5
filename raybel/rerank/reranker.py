"""Ranks the candidates of mentions with a trained cross-encoder, opened from its directory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from raybel.corpus.typography import check_folding
from raybel.encoders.precision import PRECISIONS, best_precision
from raybel.errors import ConfigError, InputError, MismatchError
from raybel.files import artefacts, storage
from raybel.ontology import Ontology
from raybel.rerank import model as models
from raybel.rerank.calibration import Calibration, round_evidence
from raybel.rerank.examples import Example
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.scoring import Scorer
from raybel.rerank.tokens import Tokens

STATE = "raybel.json"
KIND, VERSION = "crossencoder", 3
WEIGHTS = "model.safetensors"
#: Decimals of scores.
DECIMALS = 5
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
    if not storage.names(directory):
        raise InputError("no such directory, or it is empty", path=directory)
    path = storage.join(directory, STATE)
    value = storage.read_json(path) if storage.exists(path) else {}
    state: dict[str, Any] = value if isinstance(value, dict) else {}
    if state.get("kind") != KIND:
        config = storage.join(directory, "config.json")
        other = storage.read_json(config) if storage.exists(config) else state
        kind = state.get("kind") or (other.get("kind") if isinstance(other, dict) else None)
        raise InputError(
            "holds no cross-encoder of `raybel train crossencoder`" + (f", but a {kind!r} model" if kind else ""),
            path=directory,
        )
    if not state.get("finished"):
        raise InputError("its training isn't finished: run the same `raybel train crossencoder` again", path=directory)
    if state.get("version") != VERSION:
        raise MismatchError(f"{directory} has the format {state.get('version')}, not {VERSION}: train it again")
    if missing := [name for name in _KEYS if name not in state]:
        raise InputError(f"lacks {', '.join(missing)}: train the model again", path=path)
    check_folding(directory, state.get("folding"))
    try:
        CrossEncoderParameters().changed(state["parameters"]).of_type(state["crosstype"])
        Calibration(**(state["calibration"] or {}))
        np.asarray(state["edges"], np.float32)
    except (ConfigError, TypeError, ValueError) as error:
        raise InputError(f"{error}: train the model again", path=path) from error
    artefacts.check_sizes(directory, state["files"])
    if crosstype is not None and state["crosstype"] != crosstype:
        raise MismatchError(f"{directory} is of the type {state['crosstype']}, not {crosstype}")
    if ontology is not None and state["ontology_fingerprint"] != ontology.fingerprint:
        raise MismatchError(
            f"{directory} was trained for another ontology (fingerprint {state['ontology_fingerprint']}) than "
            f"{ontology.path} ({ontology.fingerprint}): train it for this one, or give --any-ontology to use it all "
            "the same"
        )
    return state


@dataclass(frozen=True)
class Ranking:
    """A mention's candidates in the re-ranker's order.

    Args:
        order: The candidates' places in the first stage's order, int64.
        scores: Their probabilities, falling, float32.
    """

    order: np.ndarray
    scores: np.ndarray


class Reranker:
    """Ranks candidates; made by `load`.

    Args:
        scorer: Gives the candidates' logits.
        calibration: Makes probabilities of logits; None for the published way, in which each pair has its own.
        parameters: What the model was trained with.
        home: The model's directory, for messages.
    """

    def __init__(
        self, scorer: Scorer, calibration: Calibration | None, parameters: CrossEncoderParameters, home: str = ""
    ) -> None:
        self.scorer, self.calibration, self.parameters, self.home = scorer, calibration, parameters, home

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
        state = describe(directory)
        if precision is not None and precision not in PRECISIONS:
            raise ConfigError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
        parameters = CrossEncoderParameters().changed(state["parameters"])
        home = storage.localise(directory)
        if storage.size_and_digest(str(home / WEIGHTS))[1] != state["weights"]:
            raise InputError("isn't what training wrote: copy or train the model again", path=f"{directory}/{WEIGHTS}")
        model, tokenizer = models.load(home, head=True)
        tokens = Tokens(tokenizer, models.window(model, tokenizer), parameters, state["edges"])
        model = model.to(device=device, dtype=PRECISIONS[precision or best_precision(device)]).eval()  # type: ignore[call-arg]
        encoder = models.CrossEncoder(model, state["crosstype"], tokens.pad)
        calibration = Calibration(**state["calibration"]) if state["calibration"] else None
        return cls(Scorer(encoder, state["crosstype"], tokens, device, budget), calibration, parameters, directory)

    def rank(self, examples: Sequence[Example]) -> list[Ranking]:
        """Return each mention's candidates in their new order, with probabilities.

        With a calibration, a mention's probabilities sum to at most 1; the difference is that of "none of them". They
        are rounded to five decimals, so that several may be equal; the order is that of the evidence, and of equal
        evidence the first stage's.

        Raises:
            InputError: A score isn't a number (NaN or infinite): the weights are damaged, or overflow the precision.
        """
        tokenised = self.scorer.tokens(examples)
        rankings = []
        for example, logits in zip(tokenised, self.scorer.logits(tokenised), strict=True):
            if not np.isfinite(logits).all():
                raise InputError(
                    "the cross-encoder gives scores that aren't numbers (NaN or infinite): are its weights damaged?",
                    path=self.home,
                )
            if self.calibration is None:
                evidence = round_evidence(logits)
                probabilities = expit(evidence)
            else:
                evidence = self.calibration.evidence(logits, example.scores)
                probabilities = self.calibration.probabilities(evidence)
            order = np.argsort(-evidence, kind="stable")
            rankings.append(Ranking(order, np.round(probabilities[order], DECIMALS).astype(np.float32)))
        return rankings
