"""What calibrations and rules of what is sure are worth, fitted on one half of a dev set and judged on the other.

    python tests/benchmarks/calibration.py [--data ../shared/data] [--home DIR] [--corpora ncbi bc5cdr biored]
        [--generators ngrams dense hybrid] [--splits 5] [--reranker-model DIR]

Halves are of documents, drawn anew `--splits` times, and each is judged by the other. Printed are expected calibration
errors (15 bins of equal mass) of the generator's scores and of probabilities, what chance alone would give perfect
probabilities, and the F1 of links at the recommended threshold and without one; with a cross-encoder, which must have
been trained for the corpus's ontology and for candidates of that generator, the share of the mentions that is sure, and
Acc@1 of both stages on sure and unsure mentions. `--home` keeps generators for another run.
"""

from __future__ import annotations

import argparse
import copy
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from crossencoder_data import prepared

from raybel.candidates.base import Generator
from raybel.candidates.calibrating import JudgedMentions, calibrate
from raybel.candidates.evidence import Probabilities, places_of
from raybel.candidates.probabilities import expected_calibration_error
from raybel.candidates.recall import read_linkable
from raybel.candidates.registry import open_generator
from raybel.config import GeneratorPaths, MentionOptions
from raybel.ontology import Ontology
from raybel.rerank.cascade import Cascade
from raybel.rerank.reranker import Reranker
from raybel.rerank.training.cascading import annotated_examples, best_of, fit_cascade, read_annotated

OPTIONS = {"ngrams": ("ngrams_model",), "dense": ("dense_index",), "hybrid": ("ngrams_model", "dense_index")}

GENERATOR_COLUMNS = ("ECE of scores", "ECE", "by chance", "F1", "F1 at the threshold", "threshold")
CASCADE_COLUMNS = (
    *("sure", "sure: first stage", "sure: settled", "sure: re-ranked"),
    *("unsure: first stage", "unsure: settled", "unsure: re-ranked"),
    *("all: re-ranked", "all: cascade"),
)


def halves(documents: int, splits: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the documents to fit on, and those to judge on: bool (documents,)."""
    rng = np.random.default_rng(0)
    for _ in range(splits):
        half = rng.permutation(documents) < documents // 2
        yield from ((half, ~half), (~half, half))


def of_documents(mentions: JudgedMentions, chosen: np.ndarray) -> JudgedMentions:
    """Return the mentions of some documents."""
    rows = [row for row, document in enumerate(mentions.documents) if chosen[document]]
    columns = (mentions.surfaces, mentions.concepts, mentions.documents)
    return JudgedMentions(*([column[row] for row in rows] for column in columns))


def generator_figures(generator: Generator, mentions: JudgedMentions, splits: int) -> list[float]:
    """Return errors of scores, of probabilities, by chance alone; F1 without a threshold, with it; the threshold."""
    rng = np.random.default_rng(0)
    rows = []
    for fit_on, judge_on in halves(max(mentions.documents) + 1, splits):
        fitted = calibrate(generator, of_documents(mentions, fit_on))
        held_out = of_documents(mentions, judge_on)
        assert fitted is not None
        found = generator.search(held_out.surfaces, 10)
        probabilities = Probabilities(fitted.calibration, generator.alias_table).of(held_out.surfaces, found)
        right = np.array(places_of(found, held_out.concepts)) == 0
        score, first = (
            np.array([of_mention[0] if len(of_mention) else 0.0 for of_mention in lists])
            for lists in ([of_mention["score"] for of_mention in found], probabilities)
        )
        chance = [expected_calibration_error(first, rng.random(len(first)) < first) for _ in range(20)]
        wanted = sum(concept >= 0 for concept in held_out.concepts)
        f1 = [
            2 * right[first >= least].sum() / ((first >= least).sum() + wanted) for least in (0, fitted.threshold or 0)
        ]
        errors = [expected_calibration_error(each, right) for each in (score, first)]
        rows.append([*errors, np.mean(chance), *f1, fitted.threshold or 0])
    return np.mean(rows, axis=0).tolist()


def cascade_figures(
    reranker: Reranker, generator: Generator, ontology: Ontology, documents: Sequence[dict[str, Any]], splits: int
) -> list[float]:
    """Return the share that is sure, then Acc@1 as `CASCADE_COLUMNS` has it."""
    rows = []
    for fit_on, judge_on in halves(len(documents), splits):
        chosen = [
            [document for document, take in zip(documents, half, strict=True) if take] for half in (fit_on, judge_on)
        ]
        rule = fit_cascade(reranker, generator, ontology, chosen[0])
        assert isinstance(rule, Cascade)
        mentions = annotated_examples(reranker.parameters, generator, ontology, chosen[1])
        ruled = copy.copy(reranker)
        ruled.cascade, ruled.calibration = rule, None  # as the published way has it, unless the rule has weights
        by_prior = [each for each in ruled.by_prior(mentions.examples) if each is not None]
        first = settled = mentions.golds == 0
        sure = np.array([rule.is_sure(rule.first_stage.probabilities(each)) for each in mentions.features])
        if by_prior:
            settled = best_of(by_prior)[0] == mentions.golds
            sure = np.array([rule.is_sure(each.scores) for each in by_prior])
        every, unsure = (best_of(ruled.rank(mentions.examples, of))[0] == mentions.golds for of in (False, True))
        of_sure, of_unsure = ([each[part].mean() for each in (first, settled, every)] for part in (sure, ~sure))
        rows.append([sure.mean(), *of_sure, *of_unsure, every.mean(), np.where(sure, settled, unsure).mean()])
    return np.mean(rows, axis=0).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    parser.add_argument("--home", type=Path)
    parser.add_argument("--corpora", nargs="+", default=["ncbi", "bc5cdr"])
    parser.add_argument("--generators", nargs="+", choices=list(OPTIONS), default=["ngrams"])
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--reranker-model")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = args.home or Path(folder)
        for corpus in args.corpora:
            where = home / corpus
            for made in {"ngrams", "dense"} & {
                *args.generators,
                *(["ngrams", "dense"] * ("hybrid" in args.generators)),
            }:
                if not (where / made).exists():
                    prepared(args.data, home, corpus, made, True)
            ontology, val = Ontology.open(str(where / "ontology.arrow")), (str(where / "val.bioc.xml.gz"),)
            for name in args.generators:
                paths = {option: str(where / option.split("_")[0]) for option in OPTIONS[name]}
                generator = open_generator(ontology, GeneratorPaths(**paths))
                judged = read_linkable(val, ontology, MentionOptions()).judged
                show(f"{corpus} {name}", GENERATOR_COLUMNS, generator_figures(generator, judged, args.splits))
                if args.reranker_model:
                    reranker = Reranker.load(args.reranker_model).for_generator(generator)
                    documents = read_annotated(val, MentionOptions())
                    figures = cascade_figures(reranker, generator, ontology, documents, args.splits)
                    show(f"{corpus} {name} + {Path(args.reranker_model).name}", CASCADE_COLUMNS, figures)


def show(name: str, columns: Sequence[str], figures: Sequence[float]) -> None:
    print(
        f"{name}: " + ", ".join(f"{column} {100 * figure:.1f}" for column, figure in zip(columns, figures, strict=True))
    )


if __name__ == "__main__":
    main()
