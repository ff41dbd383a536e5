"""How likely each candidate of a mention is before a model reads it: a sum of weights of what is known of both.

Each feature (`rerank.prior_features`) is cut into a few ranges with a weight each, and each category of concepts has a
weight (a generalised additive model: Hastie & Tibshirani, 1990). A mention's candidates and "none of them" share a
softmax of the sums (McFadden's conditional logit, 1974). In training, a cross-encoder's logits are added to the sums,
so that it learns what these don't tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from raybel.candidates.probabilities import round_evidence
from raybel.rerank.prior_features import FEATURES, PriorFeatures


@dataclass(frozen=True)
class Prior:
    """Weights of what is known of candidates.

    Args:
        borders: Of each of `FEATURES` the values at which its ranges begin, the lowest range aside: increasing.
        weights: Of each of `FEATURES` what each of these ranges is worth against the lowest one.
        categories: What each category is worth; others are worth nothing.
        none: Evidence for "none of them".
        generator: Name and fingerprint of the generator whose candidates it was fitted to.
        ontology: Fingerprint of the ontology that these refer to.
    """

    borders: Sequence[Sequence[float]]
    weights: Sequence[Sequence[float]]
    categories: Mapping[str, float]
    none: float
    generator: str
    ontology: str

    def evidence(self, mentions: Sequence[PriorFeatures]) -> list[np.ndarray]:
        """Return the logarithm of how much likelier than "none of them" each mention's candidates are: float32.

        Args:
            mentions: What is known of the candidates of each.
        """
        values = np.concatenate([np.zeros((0, len(FEATURES)), np.float32), *(each.values for each in mentions)])
        total = np.full(len(values), -self.none)
        for place, (borders, weights) in enumerate(zip(self.borders, self.weights, strict=True)):
            if borders:
                ranges = np.searchsorted(np.asarray(borders, np.float32), values[:, place], side="right")
                total += np.array([0.0, *weights])[ranges]
        of_candidates = [categories for each in mentions for categories in each.categories]
        total += [sum(self.categories.get(name, 0.0) for name in categories) for categories in of_candidates]
        bounds = pairwise(np.cumsum([0, *(len(each.values) for each in mentions)]).tolist())
        evidence = round_evidence(total).astype(np.float32)
        return [evidence[start:end] for start, end in bounds]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, the ranges by feature."""
        ranges = {
            name: {"from": list(borders), "weight": list(weights)}
            for name, borders, weights in zip(FEATURES, self.borders, self.weights, strict=True)
        }
        fitted_to = {"generator": self.generator, "ontology": self.ontology}
        return {"features": ranges, "categories": dict(self.categories), "none": self.none, **fitted_to}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Prior:
        """Return what `to_dict` gave.

        Raises:
            KeyError, TypeError, ValueError: It is something other.
        """
        held = [value["features"][name] for name in FEATURES]
        borders, weights = ([[float(item) for item in each[key]] for each in held] for key in ("from", "weight"))
        if any(len(one) != len(other) for one, other in zip(borders, weights, strict=True)):
            raise ValueError("a range of the prior has no weight")
        if {*value["features"]} - {*FEATURES}:
            raise ValueError("the prior has features that aren't known")
        categories = {str(name): float(weight) for name, weight in value["categories"].items()}
        none = float(value["none"])
        numbers = [none, *categories.values(), *(number for each in (*borders, *weights) for number in each)]
        if not np.isfinite(numbers).all() or any((np.diff(each) <= 0).any() for each in borders):
            raise ValueError("the prior has weights that aren't numbers, or ranges that don't rise")
        return cls(borders, weights, categories, none, str(value["generator"]), str(value["ontology"]))


def prior_for(priors: Sequence[Prior], generator: str, ontology: str) -> Prior | None:
    """Return the prior of several that holds for a generator's candidates; None where there is none.

    It is the one that was fitted to this very generator; else to one of its kind for its ontology; else to any for its
    ontology; else to one of its kind; else the first.

    Args:
        priors: The main corpus's first.
        generator: Name and fingerprint of what the candidates are from.
        ontology: Fingerprint of what they refer to.
    """
    of_ontology = [each for each in priors if each.ontology == ontology]
    kind = [each for each in priors if each.generator.split(" ")[0] == generator.split(" ")[0]]
    both = [each for each in of_ontology if each in kind]
    same = [each for each in both if each.generator == generator]
    return next(iter([*same, *both, *of_ontology, *kind, *priors]), None)
