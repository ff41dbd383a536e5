"""Gold mentions under the policies that are asked for: which count, and where their gold stands in the rankings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raybel.errors import ConfigError
from raybel.evaluation.config import EvaluateConfig
from raybel.evaluation.policy import EVERY, ConceptNumbers, ranks_under, which_count
from raybel.evaluation.policy_sentences import describe_policy, together
from raybel.evaluation.predictions import Joined


@dataclass(frozen=True)
class Judged:
    """The gold mentions under a policy.

    Args:
        policy: Its name, as tables have it.
        counts: bool (mentions,), which of them count.
        ranks: int32 (mentions,), see `metrics`.
    """

    policy: str
    counts: np.ndarray
    ranks: np.ndarray


def judge(
    config: EvaluateConfig,
    joined: Joined,
    concepts: ConceptNumbers,
    categories: Sequence[str],
    pair_seen: Sequence[bool | None] | None,
) -> tuple[list[Judged], list[str]]:
    """Return the mentions under each policy that is asked for, and what is to be said of the policies.

    Args:
        config: What is scored.
        joined: The gold mentions with what was predicted for them.
        concepts: Of all ids.
        categories: Each gold mention's category.
        pair_seen: Whether training has each mention's surface with its concept; None where there is no training corpus.

    Raises:
        ConfigError: Under one of the policies no mention counts. (Of `every`, such a one is left out, and said.)
    """
    golds = [mention["gold"] for mention in joined.mentions]
    numbers = [concepts.of(ranking or ()) for ranking in joined.rankings]
    gold_numbers = [concepts.of(ids or ()) for ids in golds]
    parts = {place: [concepts.of(ranking) for ranking in rankings] for place, rankings in joined.parts.items()}
    judged, described, empty = [], [], []
    for policy in config.policies:
        counts = which_count(categories, policy, pair_seen)
        said = describe_policy(policy, concepts, golds, categories, counts, joined.rankings, parts)
        if counts.any():
            name = policy if concepts.ontology else f"{policy} without ontology"
            judged.append(Judged(name, counts, ranks_under(policy, numbers, gold_numbers, parts)))
            described.append(said)
        else:
            empty.append(" ".join(said[:2]))
    if empty and not (judged and EVERY in config.policy):
        raise ConfigError(f"{', '.join(config.gold_corpus)}: there is nothing to score. {empty[0]}")
    return judged, together(described) + [f"Not scored: {sentence}" for sentence in empty]
