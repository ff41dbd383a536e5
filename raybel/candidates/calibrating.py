"""A generator's calibration as it is fitted on validation mentions and stored with the model.

It is stored in the description (`config.json`) of the model, that of a fusion in its first generator's, by the
generator's fingerprint: whatever else a directory holds, a calibration counts for what it was fitted to alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from raybel.candidates.base import Generator
from raybel.candidates.calibration import FittedCalibration, fit
from raybel.candidates.evidence import Evidence, places_of
from raybel.candidates.probabilities import best_threshold, expected_calibration_error
from raybel.files import artefacts, storage

#: The key of a model's description that holds calibrations.
KEY = "calibrations"
#: Candidates of a mention that a calibration is fitted on, as many as linking has by default.
TOP_K = 10


@dataclass(frozen=True)
class JudgedMentions:
    """Mentions of a corpus whose concept is known, or known to be none.

    Args:
        surfaces: Of each.
        concepts: Its concept's row in the ontology; -1 for NIL, and for a single id that the ontology doesn't know.
        documents: Number of its document.
    """

    surfaces: list[str]
    concepts: list[int]
    documents: list[int]


def evidence_of(
    generator: Generator, mentions: JudgedMentions, top_k: int
) -> tuple[list[np.ndarray], list[np.ndarray], list[int]]:
    """Search mentions; each distinct surface once.

    Args:
        generator: Finds candidates.
        mentions: What to search.
        top_k: Candidates of a mention.

    Returns:
        Of each mention its candidates, as `CANDIDATE_DTYPE`; their features, as `Evidence` gives them; and the place of
        its concept among them, -1 where it isn't there.
    """
    distinct = sorted(set(mentions.surfaces))
    found = dict(zip(distinct, generator.search(distinct, top_k), strict=True)) if distinct else {}
    candidates = [found[surface] for surface in mentions.surfaces]
    features = Evidence(generator.alias_table).of(mentions.surfaces, candidates)
    return candidates, features, places_of(candidates, mentions.concepts)


def calibrate(generator: Generator, mentions: JudgedMentions, top_k: int = TOP_K) -> FittedCalibration | None:
    """Fit a generator's calibration; None where there is nothing to fit.

    Args:
        generator: Its aliases don't hold these mentions.
        mentions: Validation mentions.
        top_k: Candidates of a mention.
    """
    candidates, features, golds = evidence_of(generator, mentions, top_k)
    calibration = fit(features, golds)
    if calibration is None:
        return None
    probabilities = [calibration.probabilities(of_mention) for of_mention in features]
    judged = [row for row, of_mention in enumerate(candidates) if len(of_mention)]
    right = np.array([golds[row] == 0 for row in judged])
    raw = np.array([candidates[row]["score"][0] for row in judged], np.float64)
    first = np.array([probabilities[row][0] for row in judged], np.float64)
    threshold, figures = threshold_of(first, right, mentions.concepts)
    figures |= {
        "mentions": len(mentions.surfaces),
        "ECE_of_scores": expected_calibration_error(raw, right),
        "ECE": _held_out_error(features, golds, mentions.documents),
    }
    return FittedCalibration(calibration, threshold, figures)


def threshold_of(
    first: np.ndarray, right: np.ndarray, concepts: Sequence[int]
) -> tuple[float | None, dict[str, float | None]]:
    """Return the threshold to recommend, and what it was chosen by.

    Args:
        first: The probability of each first link.
        right: Whether it is right, bool.
        concepts: The concept of each mention, those without links too; -1 for none.

    Returns:
        None where no mention is without a concept, since nothing says then what to leave unlinked.
    """
    wanted = sum(concept >= 0 for concept in concepts)
    without = len(concepts) - wanted
    figures: dict[str, float | None] = {"without_concept": without}
    best = best_threshold(first, right, wanted) if without else None
    if best is None:
        return None, figures
    return best[0], {**figures, "F1": best[1], "F1_without_threshold": best[2]}


def _held_out_error(features: Sequence[np.ndarray], golds: Sequence[int], documents: Sequence[int]) -> float | None:
    """Return the expected calibration error of first candidates, each half of the documents judged by the other."""
    first, right = [], []
    for half in (0, 1):
        fitted_on = [row for row, document in enumerate(documents) if document % 2 != half]
        calibration = fit([features[row] for row in fitted_on], [golds[row] for row in fitted_on])
        if calibration is None:
            return None
        for row, document in enumerate(documents):
            if document % 2 == half and len(features[row]):
                first.append(calibration.probabilities(features[row])[0])
                right.append(golds[row] == 0)
    return expected_calibration_error(np.array(first, np.float64), np.array(right, bool))


def stored(directory: str) -> dict[str, Any]:
    """Return the calibrations that a model's description holds, by the generator's fingerprint; {} for none."""
    path = storage.join(directory, artefacts.CONFIG)
    description = storage.read_json(path) if storage.identity(path) is not None else None
    held = description.get(KEY) if isinstance(description, dict) else None
    return held if isinstance(held, dict) else {}


def store(directory: str, fingerprint: str, fitted: FittedCalibration) -> None:
    """Put a generator's calibration into a model's description, in place of an earlier one.

    Args:
        directory: Of the model; of a fusion, of the first generator in it.
        fingerprint: The generator's.
        fitted: What was fitted.
    """
    path = storage.join(directory, artefacts.CONFIG)
    held = {**stored(directory), fingerprint: fitted.to_dict()}
    storage.publish_json(path, {**storage.read_json(path), KEY: held})
