"""Fits a re-ranker's prior on training mentions, whose candidates their own documents didn't help to find."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize

from raybel.rerank.prior_features import FEATURES, PriorFeatures
from raybel.rerank.priors import Prior

#: A feature with more distinct values than this is cut into as many ranges above its least value, of as many candidates
#: each. More ranges fit the training mentions better, and others worse.
RANGES = 3
#: How strongly weights are pulled towards 0: what the square of a weight costs, where a mention of even odds costs 0.7.
PULL = 3.0
#: Decimals of weights.
DECIMALS = 4


def fit_prior(mentions: Sequence[tuple[PriorFeatures, int]], generator: str, ontology: str) -> Prior | None:
    """Return the most likely weights; None where there is nothing to fit: no right candidate, or no wrong one.

    Args:
        mentions: What is known of each mention's candidates, and the place of its right one; -1 where it isn't among
            them. Those without candidates tell nothing.
        generator: Name and fingerprint of what the candidates are from.
        ontology: Fingerprint of what they refer to.
    """
    told = [(features, gold) for features, gold in mentions if len(features.values)]
    right, pairs = sum(gold >= 0 for _, gold in told), sum(len(features.values) for features, _ in told)
    if not right or right == pairs:
        return None
    values = np.concatenate([features.values for features, _ in told])
    borders = [_borders(values[:, place]) for place in range(len(FEATURES))]
    names, category_rows, category_codes = _categories([each for features, _ in told for each in features.categories])
    sizes = np.array([len(borders_of) + 1 for borders_of in borders])
    starts = np.cumsum(sizes) - sizes
    ranges = np.stack(
        [
            start + np.searchsorted(of_feature, values[:, place], side="right")
            for place, (start, of_feature) in enumerate(zip(starts.tolist(), borders, strict=True))
        ],
        axis=1,
    )
    problem = _Problem(ranges, starts, int(sizes.sum()), category_rows, category_codes, len(names), told)
    weights = problem.solve()
    worth, of_categories, none = problem.parts(weights)
    by_feature = [
        [round(float(worth[start + place]), DECIMALS) for place in range(1, size)]
        for start, size in zip(starts.tolist(), sizes.tolist(), strict=True)
    ]
    categories = {name: round(float(weight), DECIMALS) for name, weight in zip(names, of_categories, strict=True)}
    return Prior([b.tolist() for b in borders], by_feature, categories, round(none, DECIMALS), generator, ontology)


def _borders(values: np.ndarray) -> np.ndarray:
    """Return where the ranges of a feature begin, the lowest one aside: float32, increasing."""
    distinct = np.unique(values)
    if len(distinct) <= RANGES:
        return distinct[1:]
    above = values[values > distinct[0]]
    return np.unique(np.quantile(above, np.arange(RANGES) / RANGES, method="lower"))


def _categories(of_candidates: Sequence[tuple[str, ...]]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the distinct categories, sorted, and for each that a candidate has the candidate's row and its place."""
    names = sorted({name for each in of_candidates for name in each})
    places = {name: place for place, name in enumerate(names)}
    rows = np.repeat(np.arange(len(of_candidates)), [len(each) for each in of_candidates])
    return names, rows, np.array([places[name] for each in of_candidates for name in each], np.int64)


class _Problem:
    """The penalised likelihood of the mentions, in the steps between ranges (so that what is pulled to 0 is a step)."""

    def __init__(
        self,
        ranges: np.ndarray,
        starts: np.ndarray,
        count: int,
        category_rows: np.ndarray,
        category_codes: np.ndarray,
        categories: int,
        mentions: Sequence[tuple[PriorFeatures, int]],
    ) -> None:
        self.ranges, self.starts, self.count = ranges, starts, count
        self.category_rows, self.category_codes, self.categories = category_rows, category_codes, categories
        sizes = np.array([len(features.values) for features, _ in mentions])
        golds = np.array([gold for _, gold in mentions])
        self.first = np.cumsum(sizes) - sizes
        self.mention_of = np.repeat(np.arange(len(sizes)), sizes)
        self.known = golds >= 0
        self.right = (self.first + golds)[self.known]
        feature_of = np.repeat(np.arange(len(starts)), np.diff([*starts.tolist(), count]))
        self.lowest = starts[feature_of]
        self.is_lowest = self.lowest == np.arange(count)
        self.after = np.append(starts, count)[feature_of + 1]

    def parts(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Return what each range and each category is worth, and the evidence for "none of them"."""
        steps = np.where(self.is_lowest, 0.0, weights[: self.count])
        risen = np.cumsum(steps)
        return risen - risen[self.lowest], weights[self.count : -1], float(weights[-1])

    def solve(self) -> np.ndarray:
        """Return the weights: steps between ranges, categories, none."""
        start = np.zeros(self.count + self.categories + 1)
        return np.asarray(minimize(self.loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x)

    def loss(self, weights: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the penalised loss and its gradient."""
        worth, of_categories, none = self.parts(weights)
        evidence = worth[self.ranges].sum(1)
        evidence += np.bincount(self.category_rows, of_categories[self.category_codes], len(evidence))
        top = np.maximum(np.maximum.reduceat(evidence, self.first), none)
        mass, mass_of_none = np.exp(evidence - top[self.mention_of]), np.exp(none - top)
        total = np.add.reduceat(mass, self.first) + mass_of_none
        share, share_of_none = mass / total[self.mention_of], mass_of_none / total
        likelihood = np.concatenate([share[self.right], share_of_none[~self.known]])
        error, error_of_none = share, share_of_none.sum() - np.count_nonzero(~self.known)
        error[self.right] -= 1
        by_range = np.bincount(self.ranges.ravel(), np.repeat(error, self.ranges.shape[1]), self.count)
        above = np.append(np.cumsum(by_range[::-1])[::-1], 0.0)
        by_step = np.where(self.is_lowest, 0.0, above[:-1] - above[self.after])
        by_category = (
            np.bincount(self.category_codes, error[self.category_rows], self.categories)
            if self.categories
            else np.zeros(0)
        )
        pulled = np.append(np.where(self.is_lowest, 0.0, weights[: self.count]), weights[self.count : -1])
        gradient = np.concatenate([by_step, by_category, [error_of_none]])
        gradient[:-1] += 2 * PULL * pulled
        return float(-np.log(np.maximum(likelihood, 1e-300)).sum() + PULL * pulled @ pulled), gradient
