"""The priors of corpora that are learned from together."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from raybel.files.artefacts import arrow_bytes
from raybel.rerank.prior_features import FEATURES, PriorFeatures
from raybel.rerank.tokens import TokenisedExample
from raybel.rerank.training.features import SCHEMA, document_row
from raybel.rerank.training.sources import open_sources


def example(gold, mentions, known=True):
    """A mention of two candidates, whose concepts have some training mentions."""
    values = np.zeros((2, len(FEATURES)), np.float32)
    values[:, FEATURES.index("mentions")] = mentions
    features = PriorFeatures(values, [("type a",), ()]) if known else None
    return TokenisedExample([7], (0,), [8], [[1], [2]], np.array([1, 0.5], np.float32), gold, known=features)


def write(home: Path, split: str, *examples):
    (home / split).mkdir(parents=True)
    rows = [document_row([[each]], str(number)) for number, each in enumerate(examples)]
    (home / split / "a.arrow").write_bytes(arrow_bytes(pa.Table.from_pylist(rows, SCHEMA)))


def described(name, generator, ontology):
    return {"name": name, "folder": name, "generator": generator, "ontology": ontology}


def test_a_corpus_that_is_only_judged_has_the_prior_that_linking_would_take(tmp_path):
    frequent, rare = [example(1, [0, 3])] * 9, [example(0, [0, 3])] * 9
    write(tmp_path / "a", "train", *frequent)
    write(tmp_path / "b", "train", *rare)
    write(tmp_path / "c", "val", *rare)
    names = [described("a", "ngrams a", "o"), described("b", "dense b", "p"), described("c", "ngrams c", "p")]
    of_frequent, of_rare, judged = open_sources(str(tmp_path), names)
    assert of_frequent.prior != of_rare.prior
    assert judged.prior is of_rare.prior  # of the same ontology
    first, second = of_frequent.with_prior([frequent[0]])[0].prior
    assert second > first
    assert judged.with_prior([frequent[0]])[0].prior[0] > judged.with_prior([frequent[0]])[0].prior[1]


def test_features_give_what_is_known_back(tmp_path):
    stored = [example(1, [1, 2]), example(0, [3, 4]), example(-1, [5, 6])]
    write(tmp_path / "a", "train", *stored, example(0, [0, 0], known=False))
    (source,) = open_sources(str(tmp_path), [described("a", "ngrams a", "o")])
    for (features, gold), one in zip(source.train.known(), stored, strict=True):
        assert np.array_equal(features.values, one.known.values)
        assert (features.categories, gold) == (one.known.categories, one.gold)
    assert [each.known is None for each in source.train.examples()] == [False, False, False, True]


def test_fewer_candidates_than_are_stored(tmp_path):
    write(tmp_path / "a", "train", example(1, [1, 2]), example(0, [3, 4]))
    (source,) = open_sources(str(tmp_path), [described("a", "ngrams a", "o")], top_k=1)
    assert [(len(features.values), len(features.categories), gold) for features, gold in source.train.known()] == [
        (1, 1, -1),
        (1, 1, 0),
    ]
    assert [len(each.known.values) for each in source.train.examples()] == [1, 1]


def test_nothing_is_known_of_names_and_of_models_without_a_prior(tmp_path):
    write(tmp_path / "a", "train", example(1, [1, 2], known=False))
    (source,) = open_sources(str(tmp_path), [described("a", "ngrams a", "o")])
    assert source.prior is None
    one = example(1, [1, 2])
    assert source.with_prior([one]) == [one]
