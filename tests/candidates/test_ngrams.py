import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raybel.candidates import ngrams, pruning
from raybel.candidates.base import ExcludedMentions
from raybel.candidates.ngrams import NgramGenerator
from raybel.candidates.parameters import SIDES, NgramParameters
from raybel.candidates.registry import open_generator
from raybel.config import GeneratorPaths
from raybel.corpus.text import surface
from raybel.errors import ConfigError, InputError, MismatchError
from raybel.ontology import Concept, Ontology

PARAMETERS = NgramParameters(ngram_range=(1, 2))
NAMES = st.text("ab ", min_size=1, max_size=5)


@st.composite
def settings_of_a_search(draw):
    concepts = draw(st.lists(st.lists(NAMES, min_size=1, max_size=4), min_size=1, max_size=8))
    made = [Concept(str(i), names[0], names[1:]) for i, names in enumerate(concepts)]
    made[0].aliases.append("ba")
    training = draw(st.lists(st.tuples(NAMES.map(surface).filter(bool), st.integers(0, len(made) - 1)), max_size=8))
    return Ontology.from_concepts(made), training


def reference(generator, ontology, training, query, top_k):
    """All cosines, added up in the order of the query's n-grams; then the rule as it is stated."""
    row = generator.vectorizer.transform([query])
    counts = Counter(training)
    of_concept = Counter(concept for _, concept in training)
    rows, names = ontology.names()
    pairs = {(surface(name), concept) for name, concept in zip(names, rows.tolist(), strict=True)} | set(counts)
    best = {}
    for number, (alias, concept) in enumerate(sorted(pair for pair in pairs if pair[0])):
        vector = generator.vectorizer.transform([alias]).toarray()[0]
        score = np.float32(0)
        for feature, weight in zip(row.indices, row.data, strict=True):
            score = np.float32(score + np.float32(weight * vector[feature]))
        if score > 0:
            key = (-score, -counts[alias, concept], -of_concept[concept], concept, number)
            best[concept] = min(best.get(concept, key), key)
    return [(concept, -score, number) for score, _, _, concept, number in sorted(best.values())[:top_k]]


@given(
    settings_of_a_search(), st.lists(NAMES, min_size=1, max_size=4), st.integers(1, 12), st.integers(1, 7),
    st.sampled_from([1, 2]), st.integers(1, 8), st.sampled_from([None, 1, 3, 100]), st.sampled_from([1, 50]),
)  # fmt: skip
@settings(max_examples=60)
def test_every_search_is_the_exact_one(made, queries, block, top_k, threads, depth, look, most):
    ontology, training = made
    queries = [surface(query) for query in queries]
    with pytest.MonkeyPatch.context() as patch:
        if look is not None:
            patch.setattr(pruning, "PRUNE_FROM", 1)
            patch.setattr(pruning, "PROBE_POSTINGS", look)
            patch.setattr(pruning, "PROBE_DEPTH", 1)
            patch.setattr(pruning, "MOST_HITS", most)
            patch.setattr(pruning, "MOST_SCORED", 4 * most)
            patch.setattr(pruning, "BATCH", 2)
        generator = NgramGenerator.build(ontology, PARAMETERS, training, block)
        assert (generator.pruned is None) == (look is None)
        generator.threads = threads
        patch.setattr(ngrams, "DEPTH", depth)
        patch.setattr(ngrams, "BATCH", 2)
        found = generator.search(queries, top_k)
    for query, each in zip(queries, found, strict=True):
        assert each.tolist() == reference(generator, ontology, training, query, top_k)
        owners = generator.aliases.table["concept"].to_pylist()
        assert [owners[alias] for alias in each["alias"].tolist()] == each["concept"].tolist()


@given(settings_of_a_search(), st.lists(NAMES, min_size=1, max_size=6), st.integers(1, 5))
@settings(max_examples=40)
def test_blocks_threads_and_batches_change_nothing(made, queries, block):
    ontology, training = made
    one, two = (NgramGenerator.build(ontology, PARAMETERS, training, size) for size in (block, 1000))
    two.threads = 2
    found = [each.tolist() for each in one.search(queries, 3)]
    assert [each.tolist() for each in two.search(queries, 3)] == found
    assert [one.search([query], 3)[0].tolist() for query in queries] == found


FAST = replace(PARAMETERS, search="fast")


@given(settings_of_a_search(), st.lists(NAMES, min_size=1, max_size=5), st.integers(1, 5), st.integers(1, 7))
@settings(max_examples=40)
def test_a_fast_search_of_all_postings_is_the_exact_one_but_for_names(made, queries, block, top_k):
    ontology, training = made
    exact = NgramGenerator.build(ontology, PARAMETERS, training)
    fast = NgramGenerator.build(ontology, FAST, training, block)
    strings = exact.aliases.table["alias"].to_pylist()
    queries = [*map(surface, queries), *strings[:2]]
    for query, every, found in zip(queries, exact.search(queries, 99), fast.search(queries, top_k), strict=True):
        assert fast.search([query], top_k)[0].tolist() == found.tolist()
        if query in strings:
            pairs, of_concept = exact.aliases.table.to_pylist(), exact.aliases.concept_frequency
            named = [(-p["frequency"], -of_concept[p["concept"]], p["concept"]) for p in pairs if p["alias"] == query]
            assert found["concept"].tolist() == [concept for *_, concept in sorted(named)][:top_k]
            assert {strings[alias] for alias in found["alias"].tolist()} == {query}
            assert set(found["score"].tolist()) == {1.0}
        else:
            assert found.tolist() == every[:top_k].tolist()


def test_a_fast_search_reads_few_postings_and_scores_few_aliases(monkeypatch):
    names = [f"syndrome of the {letters}" for letters in ("kidney", "kidneys", "liver", "heart", "lungs", "spleen")]
    ontology = Ontology.from_concepts(Concept(f"D{number}", name) for number, name in enumerate(names))
    made = NgramGenerator.build(ontology, NgramParameters(search="fast"))
    monkeypatch.setattr(pruning, "FAST_POSTINGS", 3)
    assert [c[0] for c in made.search(["the kidny"], 5)[0].tolist()] == [0, 1]  # not all, which have `the`
    monkeypatch.setattr(pruning, "FAST_SCORED", 1)
    assert len(made.search(["the liver kidney"], 5)[0]) <= 2
    assert made.search(["", "qqq"], 5)[0].tolist() == made.search(["qqq"], 5)[0].tolist() == []


def test_a_fast_search_never_answers_with_an_excluded_mention():
    training = [("wheeze", 1), ("anaemia", 0)]
    made = NgramGenerator.build(SMALL, NgramParameters(search="fast"), training)
    assert made.search(["wheeze"], 3)[0]["concept"].tolist() == [1]
    assert made.search(["wheeze"], 3, ExcludedMentions([{("wheeze", 1): 1}]))[0].tolist() == []
    [found] = made.search(["anaemia"], 3, ExcludedMentions())
    assert found["concept"].tolist() == [0]
    assert found["score"][0] < 1


SMALL = Ontology.from_concepts(
    [Concept("D1", "Anemia", ["low blood"]), Concept("D2", "Asthma", ["low blood"]), Concept("D3", "")]
)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("block", "prune"), [(1, False), (100, False), (2, True)])
def test_a_saved_model_finds_the_same_bits(tmp_path, monkeypatch, side, block, prune):
    monkeypatch.setattr(pruning, "PRUNE_FROM", 1 if prune else 1000)
    parameters = NgramParameters(ngram_range=(2, 3), char_side=side, char_count=6)
    made = NgramGenerator.build(SMALL, parameters, [("wheeze", 1)], block)
    made.save(str(tmp_path), {"note": "x"})
    read = open_generator(SMALL, GeneratorPaths(ngrams_model=str(tmp_path)), threads=2)
    assert (read.pruned is not None) == prune
    assert (read.fingerprint, read.ontology_fingerprint) == (made.fingerprint, SMALL.fingerprint)
    queries = ["anemia", "asthmatic", "low blood", "wheezes", "", "zzz"]
    found = [each.tolist() for each in read.search(queries, 5)]
    assert found == [each.tolist() for each in made.search(queries, 5)]
    assert found[0][0][:2] == (0, pytest.approx(1, abs=1e-6))
    assert found[4] == found[5] == []
    assert read.search([], 5) == []
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    NgramGenerator.build(SMALL, parameters, [("wheeze", 1)], block).save(str(tmp_path), {"note": "x"})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


def test_ties_go_by_frequency_of_the_pair_of_the_concept_and_by_index():
    def order(*training):
        made = NgramGenerator.build(SMALL, PARAMETERS, training)
        return made.search(["low blood"], 2)[0]["concept"].tolist()

    assert order() == [0, 1]
    assert order(("asthma", 1)) == [1, 0]
    assert order(("asthma", 1), ("asthma", 1), ("low blood", 0)) == [0, 1]


def test_training_mentions_become_aliases_only_if_the_parameters_say_so():
    for added in (True, False):
        parameters = NgramParameters(ngram_range=(3, 3), add_training_data_to_ontology=added)
        found = NgramGenerator.build(SMALL, parameters, [("wheeze", 1)]).search(["wheeze"], 3)[0]
        assert found["concept"].tolist() == ([1] if added else [])


@pytest.mark.parametrize("concepts", [[], [Concept("1", "")]])
def test_an_ontology_without_names(concepts):
    with pytest.raises(ConfigError, match="has no names"):
        NgramGenerator.build(Ontology.from_concepts(concepts), PARAMETERS)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    where = tmp_path_factory.mktemp("model") / "m"
    NgramGenerator.build(SMALL, PARAMETERS).save(str(where))
    return where


FILES = ["vocabulary.arrow", "aliases.arrow", "first_pair.npy", "weights.npy", "indptr.npy", "indices.npy"]


@pytest.mark.parametrize("name", [*FILES, "config.json"])
@pytest.mark.parametrize("cut", [None, 20])
def test_a_damaged_model(tmp_path, model, name, cut):
    where = tmp_path / "m"
    shutil.copytree(model, where)
    data = (where / name).read_bytes()
    (where / name).unlink()
    if cut:
        (where / name).write_bytes(data[:cut])
    with pytest.raises(InputError, match=str(where)):
        open_generator(SMALL, GeneratorPaths(ngrams_model=str(where)))


@pytest.mark.parametrize(("old", "new"), [('"ngrams"', '"dense"'), ('"version": 2', '"version": 99')])
def test_a_model_of_another_kind_or_version(tmp_path, model, old, new):
    where = tmp_path / "m"
    shutil.copytree(model, where)
    text = (where / "config.json").read_text()
    (where / "config.json").write_text(text.replace(f'"kind": {old}', f'"kind": {new}').replace(old, new))
    with pytest.raises(MismatchError, match=str(where)):
        open_generator(SMALL, GeneratorPaths(ngrams_model=str(where)))


def test_a_model_of_another_ontology(model):
    other = Ontology.from_concepts([Concept("D1", "Anaemia")])
    with pytest.raises(MismatchError, match="made from another ontology"):
        open_generator(other, GeneratorPaths(ngrams_model=str(model)))
