"""Two systems' scores of the same mentions: the differences, with paired tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raybel.evaluation import metrics

#: Differences of fewer documents have no interval: percentiles of so few are too narrow by far.
FEWEST_DOCUMENTS = 20
#: How many swaps of documents are drawn where there are more than that.
SWAPS = 9_999
#: Sums of the same shares in another order differ by less, as a share of the largest possible sum.
_ROUNDING = 1e-12
#: Swaps are drawn in blocks of about this many signs (8 bytes each), so that memory stays bounded.
_BLOCK_SIGNS = 1 << 22


@dataclass(frozen=True)
class Difference:
    """How much higher a score of the second system is than the first one's, as a share of 1.

    Args:
        value: The second one's score less the first one's.
        low: Of the 95 % interval; null where there are fewer than `FEWEST_DOCUMENTS`, or no resamples.
        high: Of the same.
        p_value: Of no difference, by `randomisation` over documents.
        gained: Mentions that the second system has right and the first one wrong; null for a score that isn't a share
            of mentions.
        lost: The other way round.
        p_mcnemar: Of no difference, by `mcnemar`, as if mentions didn't depend on each other; null where `gained` is.
    """

    value: float
    low: float | None
    high: float | None
    p_value: float
    gained: int | None
    lost: int | None
    p_mcnemar: float | None


def differences(
    first: np.ndarray, second: np.ndarray, documents: np.ndarray, resamples: int = 1000, seed: int = 0
) -> dict[str, Difference]:
    """Return the difference of each score of `metrics.METRICS`, {} where there are no mentions.

    The interval is of a paired percentile bootstrap: both systems are scored on the same resampled documents.

    Args:
        first: int array (mentions,), the ranks of the gold by the first system (see `metrics`).
        second: The same mentions' ranks by the second one.
        documents: int array (mentions,), which document each mention stands in.
        resamples: How many times the documents are drawn for the interval; 0 for none.
        seed: Of NumPy's PCG64.
    """
    if not len(first):
        return {}
    one, other = metrics.per_mention(first), metrics.per_mention(second)
    present, which = np.unique(documents, return_inverse=True)
    enough = len(present) >= FEWEST_DOCUMENTS
    means = metrics.resampled_means(other - one, documents, resamples, seed) if enough else None
    values = other.mean(axis=0) - one.mean(axis=0)
    shares = len(metrics.METRICS) - 1  # of all but MRR, a mention has 0 or 1
    found = {}
    for place, name in enumerate(metrics.METRICS):
        low = high = None
        if means is not None:
            low, high = (float(bound) for bound in np.percentile(means[:, place], [2.5, 97.5]))
        p_value = randomisation(np.bincount(which, weights=(other - one)[:, place]), seed)
        gained = lost = p_mcnemar = None
        if place < shares:
            gained = int(np.count_nonzero(other[:, place] > one[:, place]))
            lost = int(np.count_nonzero(other[:, place] < one[:, place]))
            p_mcnemar = mcnemar(gained, lost)
        found[name] = Difference(float(values[place]), low, high, p_value, gained, lost, p_mcnemar)
    return found


def randomisation(sums: np.ndarray, seed: int = 0) -> float:
    """Return the two-sided p-value of no difference: how often one is as large if documents' results are swapped.

    Approximate randomisation (Noreen, "Computer-Intensive Methods for Testing Hypotheses", 1989; Yeh, "More accurate
    tests for the statistical significance of result differences", 2000), with documents as what is swapped: if neither
    system is better, which of the two gave a document's results is as a coin falls. Exact, by all swaps, where there
    are at most `SWAPS` that differ in more than the sign: so for n documents with a difference it is at least 2 / 2^n.
    Else of `SWAPS` that are drawn, of which the observed one counts as one more. Without differences it is 1.

    Args:
        sums: float array (documents,), the second system's score less the first one's, summed over each one's mentions.
        seed: Of NumPy's PCG64.
    """
    sizes = np.abs(sums[sums != 0])
    enough = abs(float(sums.sum())) - _ROUNDING * float(sizes.sum())
    count = len(sizes)
    if count < 2:
        return 1.0
    if (swaps := 1 << (count - 1)) <= SWAPS:  # the first one's sign is kept: the other half are mirrored
        signs = 1.0 - 2 * (np.arange(swaps)[:, None] >> np.arange(count - 1) & 1)
        return float(np.mean(np.abs(sizes[0] + signs @ sizes[1:]) >= enough))
    rng = np.random.default_rng(seed)
    block = max(1, _BLOCK_SIGNS // count)
    as_large = 1
    for start in range(0, SWAPS, block):
        size = min(block, SWAPS - start)
        bits = np.unpackbits(np.frombuffer(rng.bytes(size * -(-count // 8)), np.uint8).reshape(size, -1), axis=1)
        totals = (1.0 - 2 * bits[:, :count].astype(np.float64)) @ sizes
        as_large += int(np.count_nonzero(np.abs(totals) >= enough))
    return as_large / (SWAPS + 1)


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
