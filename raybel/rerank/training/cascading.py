"""Fits a re-ranker's cascade on validation mentions: what is sure, and what probabilities are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from raybel.candidates.base import Generator
from raybel.candidates.calibrating import threshold_of
from raybel.candidates.calibration import CandidateCalibration, fit
from raybel.candidates.evidence import Evidence, places_of
from raybel.candidates.probabilities import expected_calibration_error
from raybel.candidates.recall import concepts_of
from raybel.config import MentionOptions
from raybel.corpus.documents import ReadOptions
from raybel.corpus.reading import SetAside, read_rows
from raybel.corpus.sources import corpus_files
from raybel.ontology import Ontology
from raybel.rerank import calibration
from raybel.rerank.calibration import Calibration
from raybel.rerank.cascade import Cascade, fit_limit
from raybel.rerank.examples import Describer, Example, document_examples, place_in
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.prior_features import first_concepts
from raybel.rerank.pruning import fit_pruning, kept, merged
from raybel.rerank.ranking import Ranking, ranked
from raybel.rerank.reranker import Reranker


@dataclass
class AnnotatedExamples:
    """Validation mentions that have candidates, and whose concept is known, or known to be none.

    Args:
        examples: With their candidates.
        features: Of these, as `Evidence` gives them.
        golds: The place of each one's right candidate, int64; -1 for none.
        concepts: The concepts of all mentions, those without candidates too; -1 for none.
    """

    examples: list[Example]
    features: list[np.ndarray]
    golds: np.ndarray
    concepts: list[int]

    @property
    def scores(self) -> list[np.ndarray]:
        """The first stage's scores."""
        return [example.candidates["score"] for example in self.examples]


def fit_cascade(
    reranker: Reranker, generator: Generator, ontology: Ontology, documents: Sequence[dict[str, Any]]
) -> Cascade | None:
    """Fit the rule that says which mentions are sure; None where there is nothing to fit.

    Args:
        reranker: With weights for all mentions.
        generator: Finds candidates; its aliases don't hold these mentions.
        ontology: What candidates refer to.
        documents: Their `passages` and `mentions` as in `schemas.DOCUMENT`, with sentences.
    """
    mentions = annotated_examples(reranker.parameters, generator, ontology, documents)
    first_stage = fit(mentions.features, mentions.golds.tolist())
    if first_stage is None:
        return None
    logits, scores, golds = reranker.logits(mentions.examples), mentions.scores, mentions.golds
    priors = reranker.priors(mentions.examples)
    settled, without_model = _without_model(mentions, first_stage, priors)
    settled_as, certainty = best_of(without_model)
    # The re-ranker's own weights may be of another generator's scores. (The published way has none.)
    weights = calibration.fit(logits, scores, golds.tolist(), priors) if reranker.parameters.calibrate else None
    every = best_of(rankings_by(logits, scores, weights, priors))[0]
    limit = fit_limit(certainty, settled_as == golds, every == golds)
    sure = np.zeros(len(golds), bool) if limit is None else certainty >= np.float32(limit)
    rest = np.flatnonzero(~sure)
    pruned_below = None
    if settled is not None and not reranker.layout.order_matters:
        of_rest = [without_model[row] for row in rest.tolist()]
        pruned_below = fit_pruning(of_rest, golds[rest], (every == golds)[rest], len(golds))
    shown = {row: kept(without_model[row], pruned_below) for row in rest.tolist()}
    if reranker.layout.mentions_matter:  # with the sure ones in their sequences they had other logits
        for row, of_mention in zip(shown, reranker.logits([mentions.examples[row] for row in shown]), strict=True):
            logits[row] = of_mention
    # With a prior, which says what tells sure mentions from others, all of them have the same weights: those of the few
    # unsure ones alone would be worse. Without one, the first stage's score means something else for them.
    like = np.arange(len(golds)) if settled is not None else rest
    unsure = _fit_weights(mentions, like, shown, logits, priors)
    rankings = _with_model(without_model, shown, logits, mentions, priors, unsure)
    best, probability = best_of(rankings)
    right = best == golds
    threshold, figures = threshold_of(probability, right, mentions.concepts)
    of_all = reranker.token_count(mentions.examples)
    of_shown = reranker.token_count([mentions.examples[row].of_candidates(places) for row, places in shown.items()])
    figures |= {
        "mentions": len(mentions.concepts),
        "sure": float(sure.mean()),
        "pairs_saved": 1 - sum(map(len, shown.values())) / sum(map(len, scores)),
        "tokens_saved": 1 - of_shown / of_all,
        "first_stage_right_of_sure": _share(golds[sure] == 0),
        "settled_right_of_sure": _share(right[sure]),
        "reranked_right_of_sure": _share((every == golds)[sure]),
        "first_stage_right_of_unsure": _share(golds[~sure] == 0),
        "settled_right_of_unsure": _share((settled_as == golds)[~sure]),
        "reranked_right_of_unsure": _share(right[~sure]),
        "right_if_all_are_reranked": _share(every == golds),
        "right": _share(right),
        "ECE": expected_calibration_error(probability, right),
    }
    fitted_to = (generator.description, generator.ontology_fingerprint)
    return Cascade(first_stage, limit, unsure, *fitted_to, threshold, figures, weights, settled, pruned_below)


def _fit_weights(
    mentions: AnnotatedExamples,
    rows: np.ndarray,
    shown: Mapping[int, np.ndarray],
    logits: Sequence[np.ndarray],
    priors: Sequence[np.ndarray | None],
) -> Calibration:
    """Return weights that are fitted to some mentions, to those of their candidates that the model scores.

    Args:
        mentions: All of them.
        rows: Those that count, int64.
        shown: The places of the candidates that the model scores, by the unsure mention; of others it is all.
        logits: Of all mentions' candidates.
        priors: A prior's evidence for all mentions' candidates, None for none.
    """
    fitted = []
    for row in rows.tolist():
        places, gold = shown.get(row, np.arange(len(logits[row]))), int(mentions.golds[row])
        of_gold = place_in(places.tolist(), gold)
        if gold < 0 or of_gold >= 0:  # what is right where the right one is pruned, the model isn't asked
            prior = None if (of_mention := priors[row]) is None else of_mention[places]
            fitted.append((logits[row][places], mentions.scores[row][places], of_gold, prior))
    return calibration.fit(*(list(of) for of in zip(*fitted, strict=True))) if fitted else Calibration()


def _with_model(
    without_model: Sequence[Ranking],
    shown: Mapping[int, np.ndarray],
    logits: Sequence[np.ndarray],
    mentions: AnnotatedExamples,
    priors: Sequence[np.ndarray | None],
    weights: Calibration,
) -> list[Ranking]:
    """Return the rankings of all mentions, the unsure ones by the model.

    Args:
        without_model: The rankings of all mentions without the model; those of the sure ones stay.
        shown: The places of the candidates that the model scores, by the unsure mention.
        logits: Of all mentions' candidates.
        mentions: All of them.
        priors: A prior's evidence for all mentions' candidates, None for none.
        weights: Of all evidence.
    """
    rankings = list(without_model)
    for row, places in shown.items():
        prior = None if (of_mention := priors[row]) is None else of_mention[places]
        ranking = ranked(logits[row][places], mentions.scores[row][places], weights, prior)
        rankings[row] = merged(without_model[row], places, ranking)
    return rankings


def _without_model(
    mentions: AnnotatedExamples, first_stage: CandidateCalibration, priors: Sequence[np.ndarray | None]
) -> tuple[Calibration | None, list[Ranking]]:
    """Return what settles mentions without the model, and their rankings by it.

    With a prior, it is the first stage's scores and the prior, by the weights that are returned; else the first stage,
    and there are no weights.
    """
    if any(prior is None for prior in priors):
        probabilities = [first_stage.probabilities(of_mention) for of_mention in mentions.features]
        return None, [Ranking(np.arange(len(each)), each, len(each)) for each in probabilities]
    nothing = [np.zeros(len(scores), np.float32) for scores in mentions.scores]
    fitted = calibration.fit(nothing, mentions.scores, mentions.golds.tolist(), priors)
    weights = replace(fitted, logit=0.0)
    return weights, rankings_by(nothing, mentions.scores, weights, priors)


def read_annotated(paths: tuple[str, ...], options: MentionOptions) -> list[dict[str, Any]]:
    """Return the `passages` and `mentions` of a corpus's documents, without those that can't be used.

    Args:
        paths: BioC files, directories or globs.
        options: How mentions are read.
    """
    uris = [path for path, _ in corpus_files(paths)]
    rows = read_rows(uris, ReadOptions(options, sentences=True), SetAside())
    return [{"passages": row.passages, "mentions": row.mentions} for row in rows]


def annotated_examples(
    parameters: CrossEncoderParameters, generator: Generator, ontology: Ontology, documents: Sequence[dict[str, Any]]
) -> AnnotatedExamples:
    """Search the candidates of the mentions whose concept is known, or known to be none.

    Args:
        parameters: The re-ranker's.
        generator: Finds candidates.
        ontology: What they refer to.
        documents: Their `passages` and `mentions` as in `schemas.DOCUMENT`, with sentences.
    """
    concepts = iter(concepts_of([m["gold"] for document in documents for m in document["mentions"]], ontology))
    pairs = [[(mention, next(concepts)) for mention in document["mentions"]] for document in documents]
    judged = [[(mention, concept) for mention, concept in of_document if concept is not None] for of_document in pairs]
    describer = Describer(ontology, generator.alias_table, parameters)
    searched = judged if describer.known is None else pairs  # what isn't judged tells of the others, too
    distinct = sorted({mention["surface"] for of_document in searched for mention, _ in of_document})
    found = dict(zip(distinct, generator.search(distinct, parameters.top_k), strict=True)) if distinct else {}
    examples: list[Example] = []
    surfaces: list[str] = []
    golds: list[int] = []
    for number, (document, of_document) in enumerate(zip(documents, judged, strict=True)):
        ranked_ones = [(mention, concept) for mention, concept in of_document if len(found[mention["surface"]])]
        kept = {**document, "mentions": [mention for mention, _ in ranked_ones]}
        of_mentions = [mention["surface"] for mention in kept["mentions"]]
        surfaces += of_mentions
        candidates = [found[surface] for surface in of_mentions]
        golds += places_of(candidates, [concept for _, concept in ranked_ones])
        described = describer.describe(candidates, of_mentions)
        beside = None
        if describer.known is not None:
            beside = first_concepts(document["mentions"], [found[each["surface"]] for each in document["mentions"]])
        examples += document_examples(kept, candidates, described, parameters.context, number, beside)
    features = Evidence(generator.alias_table).of(surfaces, [example.candidates for example in examples])
    every_concept = [concept for of_document in judged for _, concept in of_document]
    return AnnotatedExamples(examples, features, np.array(golds, np.int64), every_concept)


def rankings_by(
    logits: Sequence[np.ndarray],
    scores: Sequence[np.ndarray],
    weights: calibration.Calibration | None,
    priors: Sequence[np.ndarray | None],
) -> list[Ranking]:
    """Return each mention's candidates in the order of all evidence.

    Args:
        logits: Those of each mention's candidates.
        scores: The first stage's scores of them.
        weights: Of both; None for the published way.
        priors: A prior's evidence for them, None for none.
    """
    of_mentions = zip(logits, scores, priors, strict=True)
    return [ranked(logit, score, weights, prior) for logit, score, prior in of_mentions]


def best_of(rankings: Sequence[Ranking]) -> tuple[np.ndarray, np.ndarray]:
    """Return the place of each mention's best candidate, int64, and its probability, float32; each has one or more."""
    return np.array([each.order[0] for each in rankings], np.int64), np.array([each.scores[0] for each in rankings])


def _share(right: np.ndarray) -> float | None:
    return float(right.mean()) if len(right) else None
