"""Two systems' scores of the same mentions: the differences, with paired tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raybel.evaluation import metrics

#: Sums of the same shares in another order differ by less.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Difference:
    """How much higher a score of the second system is than the first one's, as a share of 1.

    Args:
        value: The second one's score less the first one's.
        low: Of the 95 % interval; null where there is nothing to resample.
        high: Of the same.
        p_bootstrap: Of no difference, by the same resamples of documents; null where there are none.
        gained: Mentions that the second system has right and the first one wrong; null for a score that isn't a share
            of mentions.
        lost: The other way round.
        p_mcnemar: Of no difference, by `mcnemar`, as if mentions didn't depend on each other; null where `gained` is.
    """

    value: float
    low: float | None
    high: float | None
    p_bootstrap: float | None
    gained: int | None
    lost: int | None
    p_mcnemar: float | None


def differences(
    first: np.ndarray, second: np.ndarray, documents: np.ndarray, resamples: int = 1000, seed: int = 0
) -> dict[str, Difference]:
    """Return the difference of each score of `metrics.METRICS`, {} where there are no mentions.

    The interval and `p_bootstrap` are of a paired percentile bootstrap: both systems are scored on the same resampled
    documents (Berg-Kirkpatrick et al., "An Empirical Investigation of Statistical Significance in NLP", 2012, resample
    the test set so). `p_bootstrap` is two-sided: twice the smaller share of resamples with a difference of at most, or
    at least, zero, where the observed one counts as a resample (Davison & Hinkley, "Bootstrap Methods and their
    Application", 1997, ch. 4), so that it is never below 2 / (resamples + 1).

    Args:
        first: int array (mentions,), the ranks of the gold by the first system (see `metrics`).
        second: The same mentions' ranks by the second one.
        documents: int array (mentions,), which document each mention stands in.
        resamples: How many times the documents are drawn; 0 for no interval.
        seed: Of NumPy's PCG64.
    """
    if not len(first):
        return {}
    one, other = metrics.per_mention(first), metrics.per_mention(second)
    means = metrics.resampled_means(other - one, documents, resamples, seed)
    values = other.mean(axis=0) - one.mean(axis=0)
    shares = len(metrics.METRICS) - 1  # of all but MRR, a mention has 0 or 1
    found = {}
    for place, name in enumerate(metrics.METRICS):
        low = high = p_bootstrap = None
        if means is not None:
            low, high = (float(bound) for bound in np.percentile(means[:, place], [2.5, 97.5]))
            p_bootstrap = _two_sided(means[:, place])
        gained = lost = p_mcnemar = None
        if place < shares:
            gained = int(np.count_nonzero(other[:, place] > one[:, place]))
            lost = int(np.count_nonzero(other[:, place] < one[:, place]))
            p_mcnemar = mcnemar(gained, lost)
        found[name] = Difference(float(values[place]), low, high, p_bootstrap, gained, lost, p_mcnemar)
    return found


def _two_sided(means: np.ndarray) -> float:
    """Return the p-value of a mean of zero by resampled means."""
    at_most, at_least = (int(np.count_nonzero(side <= _ROUNDING)) + 1 for side in (means, -means))
    return min(1.0, 2 * min(at_most, at_least) / (len(means) + 1))


def mcnemar(gained: int, lost: int) -> float:
    """Return the two-sided p-value of McNemar's exact test: of so many gains and losses, were either as likely.

    McNemar, "Note on the sampling error of the difference between correlated proportions", 1947, with the binomial
    distribution in place of its approximation. Without gains and losses it is 1.

    Args:
        gained: Mentions that only the second system has right.
        lost: Mentions that only the first one has right.
    """
    from scipy.stats import binomtest  # a second, which those who score one system needn't wait for

    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
