"""A trained cross-encoder's directory, opened: ranks the candidates of mentions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from raybel import storage
from raybel.candidates.encoder import PRECISIONS, best_precision
from raybel.errors import ConfigError, InputError, MismatchError
from raybel.ontology import Ontology
from raybel.rerank import model as models
from raybel.rerank.calibration import Calibration
from raybel.rerank.examples import Example
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.scoring import Scorer
from raybel.rerank.tokens import Tokens

STATE = "raybel.json"
KIND, VERSION = "crossencoder", 2
#: Scores are rounded, so that the last bits of a sum don't decide an order.
DECIMALS = 5


def describe(directory: str, ontology: Ontology | None = None, crosstype: str | None = None) -> dict[str, Any]:
    """Return what a directory's `raybel.json` says, without loading the model.

    Args:
        directory: Of a trained cross-encoder.
        ontology: It must have been trained for this one; None not to check.
        crosstype: It must be of this type; None not to check.

    Raises:
        InputError: It holds no finished cross-encoder.
        MismatchError: It is of another version, type or ontology.
    """
    if not storage.names(directory):
        raise InputError("no such directory, or it is empty", path=directory)
    where = storage.join(directory, STATE)
    held = storage.read_json(where) if storage.exists(where) else {}
    if not isinstance(held, dict) or held.get("kind") != KIND:
        config = storage.join(directory, "config.json")
        other = storage.read_json(config) if storage.exists(config) else held
        kind = held.get("kind") or (other.get("kind") if isinstance(other, dict) else None)
        raise InputError(
            "holds no cross-encoder of `raybel train crossencoder`" + (f", but a {kind!r} model" if kind else ""),
            path=directory,
        )
    if not held.get("finished"):
        raise InputError("its training isn't finished: run the same `raybel train crossencoder` again", path=directory)
    if held["version"] != VERSION:
        raise MismatchError(f"{directory} has the format {held['version']}, not {VERSION}: train it again")
    if crosstype is not None and held["crosstype"] != crosstype:
        raise MismatchError(f"{directory} is of the type {held['crosstype']}, not {crosstype}")
    if ontology is not None and held["ontology_fingerprint"] != ontology.fingerprint:
        raise MismatchError(
            f"{directory} was trained for another ontology (fingerprint {held['ontology_fingerprint']}) than "
            f"{ontology.path} ({ontology.fingerprint}): train it for this one, or give --any-ontology to use it all "
            "the same"
        )
    return held


class Reranker:
    """Ranks candidates; made by `load`.

    Args:
        scorer: Scores them.
        calibration: Makes probabilities; None for the published way: each pair's own.
        parameters: It was trained with.
    """

    def __init__(self, scorer: Scorer, calibration: Calibration | None, parameters: CrossEncoderParameters) -> None:
        self.scorer, self.calibration, self.parameters = scorer, calibration, parameters

    @classmethod
    def load(
        cls, directory: str, device: str = "cpu", precision: str | None = None, budget: int | None = None
    ) -> Reranker:
        """Load a directory.

        Args:
            directory: Path or URI.
            device: `cpu` or a CUDA device.
            precision: `fp32`, `bf16`, `fp16`; None for the fastest that the device has.
            budget: Tokens in a batch; None for what suits the device.

        Raises:
            InputError: It holds no finished cross-encoder, or a damaged one.
            MismatchError: It is of another version.
        """
        held = describe(directory)
        if precision is not None and precision not in PRECISIONS:
            raise ConfigError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
        parameters = CrossEncoderParameters(**held["parameters"])
        model, tokenizer = models.load(storage.localise(directory), head=True)
        tokens = Tokens(tokenizer, models.window(model, tokenizer), parameters, held["edges"])
        model = model.to(device=device, dtype=PRECISIONS[precision or best_precision(device)]).eval()  # type: ignore[call-arg]
        encoder = models.CrossEncoder(model, held["crosstype"], tokens.pad)
        calibration = Calibration(**held["calibration"]) if held["calibration"] else None
        return cls(Scorer(encoder, held["crosstype"], tokens, device, budget), calibration, parameters)

    def scores(self, examples: Sequence[Example]) -> list[np.ndarray]:
        """Return each candidate's probability, in the first stage's order: float32, rounded to five decimals.

        With a calibration, a mention's sum to at most 1; what is missing is that of "none of them".

        Raises:
            InputError: The model gives something else than numbers: its weights are damaged or overflow the precision.
        """
        tokenised = self.scorer.tokens(examples)
        logits = self.scorer.logits(tokenised)
        found = []
        for each, logit in zip(tokenised, logits, strict=True):
            if not np.isfinite(logit).all():
                raise InputError("the cross-encoder gives scores that are no numbers: are its weights damaged?")
            if self.calibration is None:
                value = torch.sigmoid(torch.from_numpy(logit).double()).numpy()
            else:
                value = self.calibration.probabilities(logit.astype(np.float64), each.scores)
            found.append(np.round(value, DECIMALS).astype(np.float32))
        return found


def order(scores: np.ndarray) -> np.ndarray:
    """Return candidates by falling score, equal ones in the first stage's order: int64."""
    return np.argsort(-scores, kind="stable")
