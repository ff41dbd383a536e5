"""A trained cross-encoder's directory, opened: ranks the candidates of mentions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from raybel.encoders.precision import PRECISIONS, best_precision
from raybel.errors import ConfigError, InputError, MismatchError
from raybel.files import artefacts, storage
from raybel.ontology import Ontology
from raybel.rerank import model as models
from raybel.rerank.calibration import Calibration, settled
from raybel.rerank.examples import Example
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.scoring import Scorer
from raybel.rerank.tokens import Tokens

STATE = "raybel.json"
KIND, VERSION = "crossencoder", 3
WEIGHTS = "model.safetensors"
#: Of scores.
DECIMALS = 5
_KEYS = (
    *("crosstype", "parameters", "edges", "calibration", "ontology_fingerprint"),
    *("generator", "fingerprint", "files", "weights"),
)


def describe(directory: str, ontology: Ontology | None = None, crosstype: str | None = None) -> dict[str, Any]:
    """Return what a directory's `raybel.json` says, without loading the model.

    Args:
        directory: Of a trained cross-encoder.
        ontology: It must have been trained for this one; None not to check.
        crosstype: It must be of this type; None not to check.

    Raises:
        InputError: It holds no finished cross-encoder, or a damaged one.
        MismatchError: It is of another version, type or ontology.
    """
    if not storage.names(directory):
        raise InputError("no such directory, or it is empty", path=directory)
    where = storage.join(directory, STATE)
    read = storage.read_json(where) if storage.exists(where) else {}
    held: dict[str, Any] = read if isinstance(read, dict) else {}
    if held.get("kind") != KIND:
        config = storage.join(directory, "config.json")
        other = storage.read_json(config) if storage.exists(config) else held
        kind = held.get("kind") or (other.get("kind") if isinstance(other, dict) else None)
        raise InputError(
            "holds no cross-encoder of `raybel train crossencoder`" + (f", but a {kind!r} model" if kind else ""),
            path=directory,
        )
    if not held.get("finished"):
        raise InputError("its training isn't finished: run the same `raybel train crossencoder` again", path=directory)
    if held.get("version") != VERSION:
        raise MismatchError(f"{directory} has the format {held.get('version')}, not {VERSION}: train it again")
    if missing := [name for name in _KEYS if name not in held]:
        raise InputError(f"lacks {', '.join(missing)}: train the model again", path=where)
    try:
        CrossEncoderParameters().changed(held["parameters"]).of_type(held["crosstype"])
        Calibration(**(held["calibration"] or {}))
        np.asarray(held["edges"], np.float32)
    except (ConfigError, TypeError, ValueError) as error:
        raise InputError(f"{error}: train the model again", path=where) from error
    artefacts.check_sizes(directory, held["files"])
    if crosstype is not None and held["crosstype"] != crosstype:
        raise MismatchError(f"{directory} is of the type {held['crosstype']}, not {crosstype}")
    if ontology is not None and held["ontology_fingerprint"] != ontology.fingerprint:
        raise MismatchError(
            f"{directory} was trained for another ontology (fingerprint {held['ontology_fingerprint']}) than "
            f"{ontology.path} ({ontology.fingerprint}): train it for this one, or give --any-ontology to use it all "
            "the same"
        )
    return held


@dataclass(frozen=True)
class Ranking:
    """A mention's candidates in the re-ranker's order.

    Args:
        order: Their places in the first stage's order, int64.
        scores: Their probabilities, falling, float32.
    """

    order: np.ndarray
    scores: np.ndarray


class Reranker:
    """Ranks candidates; made by `load`.

    Args:
        scorer: Scores them.
        calibration: Makes probabilities; None for the published way: each pair's own.
        home: Where it is from, for messages.
        parameters: It was trained with.
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
            budget: Tokens in a batch; None for what suits the device.

        Raises:
            InputError: It holds no finished cross-encoder, or a damaged one.
            MismatchError: It is of another version.
        """
        held = describe(directory)
        if precision is not None and precision not in PRECISIONS:
            raise ConfigError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
        parameters = CrossEncoderParameters().changed(held["parameters"])
        home = storage.localise(directory)
        if storage.size_and_digest(str(home / WEIGHTS))[1] != held["weights"]:
            raise InputError("isn't what training wrote: copy or train the model again", path=f"{directory}/{WEIGHTS}")
        model, tokenizer = models.load(home, head=True)
        tokens = Tokens(tokenizer, models.window(model, tokenizer), parameters, held["edges"])
        model = model.to(device=device, dtype=PRECISIONS[precision or best_precision(device)]).eval()  # type: ignore[call-arg]
        encoder = models.CrossEncoder(model, held["crosstype"], tokens.pad)
        calibration = Calibration(**held["calibration"]) if held["calibration"] else None
        return cls(Scorer(encoder, held["crosstype"], tokens, device, budget), calibration, parameters, directory)

    def ranked(self, examples: Sequence[Example]) -> list[Ranking]:
        """Return each mention's candidates in their new order, with probabilities.

        With a calibration, a mention's sum to at most 1; what is missing is that of "none of them". They are rounded to
        five decimals, so that those of several candidates may be equal; their order is that of the evidence, and where
        this is equal the first stage's.

        Raises:
            InputError: The model gives something else than numbers: its weights are damaged or overflow the precision.
        """
        tokenised = self.scorer.tokens(examples)
        logits = self.scorer.logits(tokenised)
        found = []
        for each, logit in zip(tokenised, logits, strict=True):
            if not np.isfinite(logit).all():
                raise InputError(
                    "the cross-encoder gives scores that are no numbers: are its weights damaged?", path=self.home
                )
            if self.calibration is None:
                evidence = settled(logit)
                value = expit(evidence)
            else:
                evidence = self.calibration.evidence(logit, each.scores)
                value = self.calibration.probabilities(evidence)
            order = np.argsort(-evidence, kind="stable")
            found.append(Ranking(order, np.round(value[order], DECIMALS).astype(np.float32)))
        return found
