"""A token classifier and a dictionary together: what each knows that the other doesn't.

The classifier's mentions count, and the dictionary's where nothing overlaps them. How far the dictionary is trusted is
a rule for each type, which a validation corpus decides (`fit`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from raybel.detection.base import Detection, Detector
from raybel.files.fingerprints import fingerprint

#: What a rule may be, from the simplest on: few, since they are chosen on few mentions.
ADD = (math.inf, 0.0, 0.5, 0.7, 0.9)
KEEP = (0.0, 0.3, 0.5, 0.7, math.inf)
AGREE = (None, 0.0, 0.3)
#: By how much a rule must be better than a simpler one.
MARGIN = 0.001


@dataclass(frozen=True)
class TypeRule:
    """How the mentions of a type are combined.

    Args:
        add: The least score with which a mention of the dictionary is added where the classifier found nothing;
            infinite for never.
        keep: The least score with which a mention of the classifier counts where the dictionary has not the same one;
            one that is less than the classifier's own least score changes nothing; infinite for never.
        agree: The least score with which it counts where the dictionary has the same one; None for the classifier's own
            least score.
    """

    add: float = 0.0
    keep: float = 0.0
    agree: float | None = None


@dataclass(frozen=True)
class Rule:
    """How mentions are combined.

    Args:
        types: Type -> its rule.
        other: The rule of all other types.
    """

    types: Mapping[str, TypeRule] = field(default_factory=dict)
    other: TypeRule = field(default_factory=TypeRule)

    def of(self, kind: str) -> TypeRule:
        """Return a type's rule."""
        return self.types.get(kind, self.other)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values; null for an infinite score."""

        def values(rule: TypeRule) -> dict[str, float | None]:
            add, keep = (None if math.isinf(score) else score for score in (rule.add, rule.keep))
            return {"add": add, "keep": keep, "agree": rule.agree}

        return {"types": {kind: values(rule) for kind, rule in sorted(self.types.items())}, "other": values(self.other)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Rule:
        """Read what `to_dict` returns."""

        def rule(values: Mapping[str, Any]) -> TypeRule:
            add, keep = (math.inf if values[name] is None else float(values[name]) for name in ("add", "keep"))
            return TypeRule(add, keep, None if values["agree"] is None else float(values["agree"]))

        return cls({kind: rule(values) for kind, values in value["types"].items()}, rule(value["other"]))


class Combined(Detector):
    """Finds what a token classifier and a dictionary find together.

    Args:
        classifier: Its mentions come first.
        dictionary: Its mentions fill the gaps. A mention without a type gets the classifier's, if that has only one.
        rule: How they are combined; None for what the classifier's training fitted with this dictionary, else for all
            of the classifier's mentions, and all of the dictionary's that none of them overlaps.
    """

    name = "combined"

    def __init__(self, classifier: Detector, dictionary: Detector, rule: Rule | None = None) -> None:
        self.classifier, self.dictionary = classifier, dictionary
        fitted = getattr(classifier, "rules", {}).get(dictionary.fingerprint)
        self.rule = rule or (Rule.from_dict(fitted) if fitted else Rule())
        self.only_type = classifier.types[0] if len(classifier.types) == 1 else ""
        named = {kind or self.only_type for kind in dictionary.types}
        self.types = tuple(sorted({*classifier.types, *named}))
        parts = {"classifier": classifier.fingerprint, "dictionary": dictionary.fingerprint}
        self.fingerprint = fingerprint({**parts, "rule": self.rule.to_dict()})

    def detect(self, documents: Sequence[Sequence[str]]) -> list[list[list[Detection]]]:
        """Return for each document, for each of its passages, the mentions in it; each says which detector found it."""
        own, others = self.classifier.possible(documents), self.dictionary.detect(documents)
        least = self.classifier.least_scores
        return [
            [combine(*passage, self.rule, least, self.only_type) for passage in zip(*document, strict=True)]
            for document in zip(own, others, strict=True)
        ]


def combine(
    own: Sequence[Detection],
    others: Sequence[Detection],
    rule: Rule,
    least: Mapping[str, float] | None = None,
    only_type: str = "",
) -> list[Detection]:
    """Return a passage's mentions, in order, without overlap.

    Args:
        own: What the classifier holds for possible.
        others: The dictionary's.
        rule: Which of them count.
        least: The classifier's least score of each type; 0 for other types.
        only_type: The type of mentions of the dictionary that have none.
    """
    typed = [
        each if each.type else Detection(each.start, each.end, only_type, each.score, each.detector) for each in others
    ]
    known = {(each.start, each.end, each.type) for each in typed}
    kept = []
    for each in own:
        of_type, alone = rule.of(each.type), (least or {}).get(each.type, 0.0)
        agreed = alone if of_type.agree is None else of_type.agree
        same = (each.start, each.end, each.type) in known
        if each.score >= max(of_type.keep, alone) or (same and each.score >= agreed):
            kept.append(each)
    added: list[Detection] = []
    place = 0
    for each in typed:
        while place < len(kept) and kept[place].end <= each.start:
            place += 1
        free = place == len(kept) or kept[place].start >= each.end
        if free and each.score >= rule.of(each.type).add:
            added.append(each)
    return sorted([*kept, *added], key=lambda each: (each.start, each.end))


def fit(types: Sequence[str], score: Callable[[Rule], Mapping[str, float]]) -> Rule:
    """Return the rule with the best scores on a validation corpus.

    Types are decided on one after the other, in order. A rule counts as better than a simpler one if it is so by
    `MARGIN`; the simplest one leaves the dictionary out.

    Args:
        types: Those that the corpus annotates.
        score: The strict F1 of each of the types with a rule, and of all together under the name `all`.
    """
    never = TypeRule(math.inf)
    rules = dict.fromkeys(sorted(types), never)
    for kind in rules:
        best, reached = never, score(Rule(rules, TypeRule()))["all"]
        for keep in KEEP:
            for add in ADD:
                for agree in AGREE:
                    rule = TypeRule(add, keep, agree)
                    value = score(Rule({**rules, kind: rule}, TypeRule()))["all"]
                    if value >= reached + MARGIN:
                        best, reached = rule, value
        rules[kind] = best
    return Rule(rules)
