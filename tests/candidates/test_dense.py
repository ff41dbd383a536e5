from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raybel.candidates import dense, faiss_index
from raybel.candidates.aliases import AliasTable
from raybel.candidates.dense import DenseGenerator
from raybel.corpus.text import surface
from raybel.ontology import Concept, Ontology

NAMES = st.text("ab", min_size=1, max_size=3)
#: Few directions, so that different strings often have the same vector.
DIRECTIONS = np.array([[1, 0, 0], [0.9, 0.3, 0], [0.6, 0.6, 0.5], [0, 1, 0], [0, 0, 1], [-1, 0, 0]], np.float32)


class Letters:
    """An encoder by rule: vectors that depend on the letters."""

    width = 3

    def encode(self, texts):
        rows = [sum(map(ord, text)) * 7 + len(text) for text in texts]
        return faiss_index.unit(DIRECTIONS[[row % len(DIRECTIONS) for row in rows]].reshape(-1, 3))


def make(ontology, training=(), kind="flat", size=3):
    aliases = AliasTable.build(ontology, training)
    vectors = Letters().encode(aliases.strings()).astype(np.float16)
    blocks = [vectors[start : start + size] for start in range(0, len(vectors), size)]
    parameters = {"ontology_fingerprint": ontology.fingerprint, "width": 3, "index_type": kind}
    made = DenseGenerator(Path("none"), parameters, aliases, blocks, "f")
    made.__dict__.update(encoder=Letters(), index=faiss_index.build(blocks, kind, 1))
    return made


@st.composite
def settings_of_a_search(draw):
    concepts = draw(st.lists(st.lists(NAMES, min_size=1, max_size=4), min_size=1, max_size=8))
    ontology = Ontology.from_concepts([Concept(str(i), names[0], names[1:]) for i, names in enumerate(concepts)])
    training = draw(st.lists(st.tuples(NAMES, st.integers(0, len(concepts) - 1)), max_size=8))
    return ontology, training


def reference(ontology, training, query, top_k):
    """Every cosine, of float16 vectors in float64; then the rule as it is stated."""
    counts, of_concept = Counter(training), Counter(concept for _, concept in training)
    rows, names = ontology.names()
    pairs = {(surface(name), concept) for name, concept in zip(names, rows.tolist(), strict=True)} | set(counts)
    asked = Letters().encode([query])[0].astype(np.float16).astype(np.float64)
    best = {}
    for number, (alias, concept) in enumerate(sorted(pairs)):
        vector = Letters().encode([alias])[0].astype(np.float16).astype(np.float64)
        cosine = asked @ vector / np.sqrt((asked @ asked) * (vector @ vector))
        score = np.float32(np.round(cosine, 6))
        key = (-score, -counts[alias, concept], -of_concept[concept], concept, number)
        best[concept] = min(best.get(concept, key), key)
    return [(concept, -score, number) for score, _, _, concept, number in sorted(best.values())[:top_k]]


@given(
    settings_of_a_search(), st.lists(NAMES, min_size=1, max_size=5), st.integers(1, 7), st.integers(1, 8),
    st.integers(1, 9),
)  # fmt: skip
@settings(max_examples=100)
def test_every_search_is_the_exact_one(made, queries, top_k, depth, size):
    ontology, training = made
    generator = make(ontology, training, size=size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense, "DEPTH", depth)
        patch.setattr(dense, "BATCH", 2)
        found = generator.search(queries, top_k)
        assert [generator.search([query], top_k)[0].tolist() for query in queries] == [e.tolist() for e in found]
    for query, each in zip(queries, found, strict=True):
        assert each.tolist() == reference(ontology, training, query, top_k)


@given(settings_of_a_search(), st.lists(NAMES, min_size=1, max_size=5), st.integers(1, 7))
@settings(max_examples=30)
def test_hnsw_is_exact_where_it_sees_everything(made, queries, top_k):
    ontology, training = made
    found = make(ontology, training, "hnsw").search(queries, top_k)
    exact = make(ontology, training).search(queries, top_k)
    assert [each["score"].tolist()[:1] for each in found] == [each["score"].tolist()[:1] for each in exact]


def test_an_equal_string_scores_exactly_one():
    ontology = Ontology.from_concepts([Concept("1", "a"), Concept("2", "b", ["ab"])])
    assert make(ontology).search(["ab"], 1)[0].tolist() == [(1, 1.0, 1)]


def test_what_is_an_alias_is_not_encoded():
    generator = make(Ontology.from_concepts([Concept("1", "a"), Concept("2", "b", ["ab"])]), [("ba", 1)])
    encoded = []
    generator.encoder.encode = lambda texts: encoded.extend(texts) or Letters().encode(texts)
    expected = [Letters().encode([text])[0].astype(np.float16) for text in ("ab", "c", "ba", "d")]
    found = generator._vectors_of(["ab", "c", "ba", "d"]).astype(np.float16)
    assert found.tolist() == np.array(expected).tolist()
    assert encoded == ["c", "d"]
    del generator.__dict__["encoder"]  # there is none in its directory
    assert [each["score"].tolist() for each in generator.search(["ab", "ba", "a"], 1)] == [[1.0]] * 3


def test_an_alias_has_the_vector_that_was_given_for_it():
    """Whatever the encoder would say."""
    generator = make(Ontology.from_concepts([Concept("1", "a"), Concept("2", "ab")]))
    generator.blocks = [np.array([[1, 0, 0], [0, 0, 1]], np.float16)]
    generator._starts = np.array([0, 2])
    generator.__dict__["index"] = faiss_index.build(generator.blocks, "flat", 1)
    assert [(row[0], row[1]) for row in generator.search(["ab"], 2)[0].tolist()] == [(1, 1.0), (0, 0.0)]


def test_equal_scores_go_by_training_frequency():
    ontology = Ontology.from_concepts([Concept("1", "a"), Concept("2", "a"), Concept("3", "a")])
    assert make(ontology).search(["a"], 3)[0]["concept"].tolist() == [0, 1, 2]
    assert make(ontology, [("a", 2), ("a", 2), ("b", 1)]).search(["a"], 3)[0]["concept"].tolist() == [2, 1, 0]


def test_nothing_to_find():
    generator = make(Ontology.from_concepts([Concept("1", "a")]))
    assert generator.search([], 3) == []
    assert [each.tolist() for each in generator.search(["", "a", ""], 3)] == [[], [(0, 1.0, 0)], []]


def test_a_concept_counts_once_however_deep():
    """Many aliases of one concept are nearer than any of the others'."""
    ontology = Ontology.from_concepts([Concept("1", "a", ["a" * n for n in range(2, 200)]), Concept("2", "b")])
    found = make(ontology).search(["a"], 2)[0]
    assert found["concept"].tolist() == [0, 1]
