import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from raybel.candidates.aliases import AliasTable
from raybel.candidates.faiss_index import unit
from raybel.candidates.training.alignment import TrainingStrings
from raybel.candidates.training.losses import Group, MentionLoss, SynonymLoss, batches
from raybel.candidates.training.parameters import AlignmentParameters
from raybel.errors import ConfigError
from raybel.ontology import Concept, Ontology

NAMES = st.text("abcd", min_size=1, max_size=3)
SMALL = Ontology.from_concepts(
    [
        Concept("D0", "anemia", ["anaemia", "low blood"]),
        Concept("D1", "asthma", ["wheezing", "low blood"]),
        Concept("D2", "gout"),
    ]
)


def strings_of(ontology, training=(), **parameters):
    held = AlignmentParameters(**{"pairs": 10, "replay": 0.0, **parameters})
    return TrainingStrings(AliasTable.build(ontology), training, AliasTable.build(ontology, training), held)


def vectors_of(data, seed=0):
    return unit(np.random.default_rng(seed).normal(size=(len(data.strings), 8)))


@st.composite
def anything(draw):
    concepts = draw(st.lists(st.lists(NAMES, min_size=1, max_size=4, unique=True), min_size=1, max_size=8))
    ontology = Ontology.from_concepts([Concept(str(i), names[0], names[1:]) for i, names in enumerate(concepts)])
    training = draw(st.lists(st.tuples(NAMES, st.integers(0, len(concepts) - 1)), max_size=12))
    return ontology, training


@given(anything(), st.integers(0, 5), st.sampled_from([0.0, 0.5, 1.0]))
def test_groups_of_mentions(made, seed, share):
    ontology, training = made
    data = strings_of(ontology, training, dictionary_share=share, negatives=3)
    pool = data.pool(np.random.default_rng(seed))
    groups = data.mention_groups(pool, vectors_of(data, seed), np.random.default_rng(seed))
    dictionary = set(AliasTable.build(ontology).strings())
    assert len({group.strings[0] for group in groups}) == len(groups)
    for group in groups:
        mention, right, *wrong = group.strings
        assert (mention, group.concepts[0]) in set(training)
        assert mention not in group.strings[1:], "a mention is its own answer"
        assert group.concepts[0] in data.concepts[data.row[right]]
        assert len(wrong) <= 3
        for string, concept in zip(wrong, group.concepts[2:], strict=True):
            assert group.concepts[0] not in data.concepts[data.row[string]] or share > 0
            assert concept != group.concepts[0]
        if share == 1.0:
            assert {right, *wrong} <= dictionary


@given(anything(), st.integers(0, 5))
def test_groups_of_synonyms(made, seed):
    ontology, training = made
    data = strings_of(ontology, training)
    groups = data.synonym_groups(data.pool(np.random.default_rng(0)), vectors_of(data), np.random.default_rng(seed))
    assert len(groups) == (10 if data.synonyms else 0)
    for group in groups:
        assert group.strings[0] != group.strings[1]
        assert group.concepts[0] == group.concepts[1]
        assert group.concepts[0] not in group.concepts[2:]
        for string, concept in zip(group.strings, group.concepts, strict=True):
            assert data.in_dictionary[data.row[string]] == {concept}, "ambiguous, or no name"


def test_ambiguous_strings_are_left_out():
    data = strings_of(SMALL, [("cough", 0), ("cough", 1), ("wheeze", 1), ("wheeze", 1), ("", 2)])
    assert data.synonyms == {
        0: [data.row["anaemia"], data.row["anemia"]],
        1: [data.row["asthma"], data.row["wheezing"]],
    }
    assert data.mentions == [("wheeze", 1)]


def test_a_mention_never_hands_itself_its_label():
    """Its string is an alias in the table; only another string of its concept can be its right candidate."""
    data = strings_of(SMALL, [("gouty", 2), ("gouty", 2), ("asthmatic", 1)], dictionary_share=0.0)
    same = np.tile(unit(np.ones((1, 4))), (len(data.strings), 1))
    groups = data.mention_groups(data.pool(np.random.default_rng(0)), same, np.random.default_rng(0))
    assert {group.strings[0]: group.strings[1] for group in groups}["gouty"] == "gout"
    assert all(group.strings[0] not in group.strings[1:] for group in groups)


def test_names_are_replayed_as_mentions():
    data = strings_of(SMALL, [("gouty", 2), ("asthmatic", 1)], replay=5.0)
    vectors = vectors_of(data)
    groups = data.mention_groups(data.pool(np.random.default_rng(0)), vectors, np.random.default_rng(0))
    assert len(groups) == 12
    for group in groups:
        assert group.strings[0] not in group.strings[1:]
        if group.strings[0] not in ("gouty", "asthmatic"):
            assert set(group.strings) <= set(AliasTable.build(SMALL).strings())
            assert data.in_dictionary[data.row[group.strings[0]]] == {group.concepts[0]}


def test_a_large_ontology_is_sampled():
    ontology = Ontology.from_concepts([Concept(str(i), f"name {i}", [f"other {i}"]) for i in range(100)])
    data = strings_of(ontology, [("mention", 7)], pool_strings=20)
    one, other = (data.pool(np.random.default_rng(seed)).tolist() for seed in (0, 1))
    assert one != other
    assert 20 <= len(one) <= 22
    assert {data.row["mention"], data.row["name 7"], data.row["other 7"]} <= set(one)


@given(st.integers(0, 50), st.integers(1, 8), st.integers(1, 3))
def test_every_worker_gets_as_many_batches(count, size, workers):
    groups = [Group([str(i)], [i]) for i in range(count)]
    shares = [list(batches(groups, size, rank, workers)) for rank in range(workers)]
    seen = [group.strings[0] for share in shares for batch in share for group in batch]
    assert len({len(share) for share in shares}) == 1
    assert all(share for share in shares) == bool(count)
    assert all(0 < len(batch) <= size for share in shares for batch in share)
    if count >= size * workers:
        assert len(seen) == len(set(seen))
        assert all(len(batch) == size for share in shares for batch in share)
    else:
        assert len(set(seen)) == count


def vector(*rows):
    return torch.nn.functional.normalize(torch.tensor(rows, dtype=torch.float32), dim=1)


def test_losses_fall_as_the_right_come_near():
    batch = [Group(["a", "b", "x"], [0, 0, 1]), Group(["c", "d"], [2, 2])]
    for loss in (SynonymLoss(), MentionLoss(0.05)):
        assert sorted(string for string, _ in loss.strings(batch)) == ["a", "b", "c", "d", "x"]
        order = {string: row for row, (string, _) in enumerate(loss.strings(batch))}
        near = {"a": (1, 0, 0), "b": (1, 0.1, 0), "x": (0, 1, 0), "c": (0, 0, 1), "d": (0, 0.1, 1)}
        mixed = {"a": (1, 0, 0), "b": (0, 1, 0.1), "x": (1, 0.1, 0), "c": (0, 0, 1), "d": (1, 0, 0.1)}
        good, bad = (loss(vector(*(at[s] for s in sorted(order, key=order.get))), batch).item() for at in (near, mixed))
        assert 0 <= good < bad


def test_another_mentions_candidate_of_the_same_concept_is_not_wrong():
    """Both mentions mean concept 0: neither's right candidate pushes the other away."""
    batch = [Group(["a", "b"], [0, 0]), Group(["c", "d"], [0, 0])]
    assert MentionLoss(0.05)(vector((1, 0), (1, 0), (0, 1), (1, 0)), batch).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        {"unknown": 1},
        {"pairs": 0},
        {"mention_learning_rate": 0},
        {"synonym_epochs": 0, "mention_epochs": 0},
        {"average": 0},
        {"dictionary_share": 2},
        {"negatives": "many"},
    ],
)
def test_wrong_parameters(wrong):
    with pytest.raises(ConfigError):
        AlignmentParameters().changed(wrong)
