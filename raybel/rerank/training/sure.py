"""Which training mentions are sure: the first stage settles them, so that a re-ranker learns little from them.

The evidence is that of the cascade (`rerank.cascade`), but there is no re-ranker yet to compare with: what is sure is
judged by the first stage's own errors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from raybel.candidates.base import ExcludedMentions, Generator
from raybel.candidates.calibrating import JudgedMentions, evidence_of
from raybel.candidates.calibration import fit
from raybel.candidates.evidence import Evidence
from raybel.rerank.calibration import Calibration
from raybel.rerank.cascade import Cascade

#: The most errors among sure validation mentions, as a share of them.
ERRORS = 0.005


def fit_sure(generator: Generator, mentions: JudgedMentions, top_k: int) -> Cascade | None:
    """Fit to validation mentions from which probability on a first candidate is as good as certain.

    Args:
        generator: Its aliases don't hold these mentions.
        mentions: Those of a validation corpus.
        top_k: Candidates of a mention.

    Returns:
        The rule, without weights of a re-ranker. None where there is nothing to fit; a rule by which no mention is sure
        where the first stage errs too often at every probability.
    """
    _, features, golds = evidence_of(generator, mentions, top_k)
    first_stage = fit(features, golds)
    if first_stage is None:
        return None
    judged = [row for row, of_mention in enumerate(features) if len(of_mention)]
    first = np.array([first_stage.probabilities(features[row])[0] for row in judged], np.float32)
    limit = lowest_limit(first, np.array([golds[row] == 0 for row in judged]))
    return Cascade(first_stage, limit, Calibration(), generator.description, generator.ontology_fingerprint)


def lowest_limit(first: np.ndarray, right: np.ndarray) -> float | None:
    """Return the lowest probability from which on at most `ERRORS` of the first candidates are wrong; None for none.

    Args:
        first: The probability of each mention's first candidate, float32.
        right: Whether it is right, bool.
    """
    order = np.argsort(-first, kind="stable")
    falling, wrong = first[order], np.cumsum(~right[order])
    last = np.append(falling[1:] < falling[:-1], True)[: len(falling)]  # mentions of equal probability count together
    fit_for = np.flatnonzero(last & (wrong <= ERRORS * np.arange(1, len(first) + 1)))
    return float(falling[fit_for[-1]]) if len(fit_for) else None


def are_sure(
    rule: Cascade,
    evidence: Evidence,
    surfaces: Sequence[str],
    candidates: Sequence[np.ndarray],
    excluded: ExcludedMentions | None,
) -> list[bool]:
    """Return whether each mention is sure.

    Args:
        rule: As `fit_sure` returns it.
        evidence: The generator's.
        surfaces: Of the mentions.
        candidates: Those of each, as `CANDIDATE_DTYPE`.
        excluded: Training mentions that don't count for each, as they didn't when candidates were searched for.
    """
    features = evidence.of(surfaces, candidates, excluded)
    return [rule.is_sure(rule.first_stage.probabilities(of_mention)) for of_mention in features]
