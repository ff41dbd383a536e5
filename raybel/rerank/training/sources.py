"""What one training learns from: corpora and ontologies' names, each with candidates of its own generator.

Scores of two generators mean different things. So the model is shown which tenth of its own generator's scores a score
is in, whichever that is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from raybel.files.storage import join
from raybel.rerank.priors import Prior, prior_for
from raybel.rerank.tokens import SCORE_TOKENS, TokenisedExample, score_edges
from raybel.rerank.training.features import Features, TrainingMention
from raybel.rerank.training.priors import fit_prior

#: The edges between the numbers of ten ranges: with these a model is shown numbers in the place of scores.
RANGE_EDGES = tuple(float(number) for number in range(1, len(SCORE_TOKENS)))


@dataclass
class Source:
    """A corpus, or an ontology's names.

    Args:
        name: What it is called.
        generator: Kind and fingerprint of what its candidates are from; "" where that isn't known.
        ontology: Fingerprint of what they refer to; "" where that isn't known.
        train: What is learned.
        validation: What epochs are judged by.
        edges: The scores between the ranges that the model is shown.
        prior: What the model's logits are added to; None for nothing.
    """

    name: str
    generator: str
    ontology: str
    train: Features
    validation: Features
    edges: list[float] = field(default_factory=list)
    prior: Prior | None = None

    def with_prior(self, examples: Sequence[TokenisedExample]) -> list[TokenisedExample]:
        """Return examples with the prior's evidence, where there is any."""
        known = [example.known for example in examples if example.known is not None]
        if self.prior is None or not known:
            return [*examples]
        evidence = iter(self.prior.evidence(known))
        return [example if example.known is None else replace(example, prior=next(evidence)) for example in examples]

    def shown(self, example: TokenisedExample) -> TokenisedExample:
        """Return an example as the model sees it: with the number of its range, from 0, in the place of each score."""
        numbers = np.searchsorted(np.asarray(self.edges, np.float32), example.scores, side="right")
        return replace(example, scores=numbers.astype(np.float32))

    def facts(self) -> dict[str, Any]:
        """Return what linking needs to know, as JSON values."""
        return {"generator": self.generator, "ontology": self.ontology, "edges": self.edges}


def open_sources(
    folder: str,
    described: Sequence[dict[str, str]],
    top_k: int | None = None,
    candidate_sets: Sequence[int] | None = None,
) -> list[Source]:
    """Open the features of some sources, and find the edges between their score ranges.

    Sources of the same generator have the same edges: those of the scores that are learned from, or of the validation
    corpora's where there are none of these. They have the same prior, fitted on what is learned from: on candidates
    that other documents' training mentions helped to find, as they do in linking. A source without training mentions
    has the prior that linking would take.

    Args:
        folder: Path or URI of the directory of features.
        described: `name`, `folder` (below that directory, "" for itself), `generator`, `ontology` of each.
        top_k: As in `Features`.
        candidate_sets: As in `Features`.

    Raises:
        InputError: A file is damaged, or of another version.
    """
    sources = []
    for each in described:
        home = join(folder, each["folder"]) if each["folder"] else folder
        train, validation = Features(home, "train", top_k, candidate_sets), Features(home, "val", top_k)
        sources.append(Source(each["name"], each["generator"], each["ontology"], train, validation))
    for source in sources:
        alike = [other for other in sources if other.generator == source.generator]
        learned = np.concatenate([other.train.scores() for other in alike])
        judged = [other.validation.scores() for other in alike] if not len(learned) else []
        source.edges = score_edges(np.concatenate([learned, *judged]))
        same = next((other for other in sources if other.generator == source.generator), source)
        source.prior = _prior(alike) if same is source else same.prior
    priors = [source.prior for source in sources if source.prior is not None]
    for source in sources:
        if source.prior is None:
            source.prior = prior_for(priors, source.generator, source.ontology)
    return sources


def _prior(sources: Sequence[Source]) -> Prior | None:
    """Fit the prior of sources of the same generator; None where nothing is known of their candidates."""
    mentions = [of_mention for source in sources for of_mention in source.train.known()]
    return fit_prior(mentions, sources[0].generator, sources[0].ontology) if mentions else None


class JoinedSources:
    """The documents of several sources, numbered through, as the model sees them.

    Args:
        sources: In their order.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = sources
        self.starts = np.cumsum([0, *(len(source.train) for source in sources)])

    def __len__(self) -> int:
        """Number of documents."""
        return int(self.starts[-1])

    def document(self, number: int) -> list[TrainingMention]:
        """Return a document's mentions; no two documents share a group."""
        place = int(np.searchsorted(self.starts, number, side="right")) - 1
        source, first = self.sources[place], int(self.starts[place])

        def joined(example: TokenisedExample) -> TokenisedExample:
            return replace(source.shown(example), group=(number, *example.group[1:]))

        mentions = source.train.document(number - first)
        by_set = ([mention.cross_fitted for mention in mentions], [mention.dictionary for mention in mentions])
        pairs = zip(*(map(joined, source.with_prior(examples)) for examples in by_set), strict=True)
        return [TrainingMention(*pair) for pair in pairs]
