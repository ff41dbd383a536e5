"""Runs that were linked with routes, scored without being told their ontologies."""

import json

import bioc as model
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.corpus.reading import write_corpus
from raybel.errors import ConfigError, MismatchError
from raybel.evaluation.config import EvaluateConfig
from raybel.evaluation.evaluate import evaluate
from raybel.evaluation.evaluate_spans import evaluate_spans
from raybel.evaluation.run_ontologies import JoinedOntologies, open_recorded
from raybel.ontology import Concept, Ontology

TEXT = "Gout, influenza and aspirin."
DISEASES = (Concept("D1", "gout", alt_ids=["OLD1"]), Concept("D2", "influenza"))
CHEMICALS = (Concept("MESH:C1", "aspirin", alt_ids=["OLD2"]), Concept("D2", "influenza", alt_ids=["FLU"]))


def joined(*concepts):
    return JoinedOntologies([Ontology.from_concepts(each, f"{n}.arrow") for n, each in enumerate(concepts)], "advice")


def test_an_id_has_the_row_of_the_first_ontology_that_knows_its_concept():
    both = joined(DISEASES, CHEMICALS)
    assert both.indices(["D1", "OLD1", "D2", "MESH:C1", "C1", "OLD2", "X"]).tolist() == [0, 0, 1, 2, 2, 2, -1]
    assert both.indices(["FLU", "D2"]).tolist() == [1, 1]  # an alternative id that the first one doesn't know
    assert [both.concept(row).concept_id for row in both.indices(["OLD2", "D2"]).tolist()] == ["MESH:C1", "D2"]
    assert (len(both), both.path) == (4, "0.arrow, 1.arrow")
    assert both.indices([]).tolist() == []


@pytest.mark.parametrize(
    ("first", "second", "ids"),
    [
        ([Concept("A", "a"), Concept("B", "b")], [Concept("A", "a", alt_ids=["B"])], ["A", "B"]),
        ([Concept("A", "a", alt_ids=["B"])], [Concept("A", "a"), Concept("B", "b")], ["A", "B"]),
        ([Concept("A", "a", alt_ids=["X"])], [Concept("B", "b", alt_ids=["X"])], ["X"]),
        ([Concept("C", "c", alt_ids=["A", "B"])], [Concept("A", "a"), Concept("B", "b")], ["A", "B"]),
    ],
)
def test_an_id_that_means_two_concepts_is_refused(first, second, ids):
    with pytest.raises(MismatchError, match=r"0\.arrow, 1\.arrow: ids mean one concept.*such as [ABX]; advice"):
        joined(first, second).indices(ids)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5)), max_size=20))
def test_ontologies_without_a_common_id_answer_as_each_does(asked):
    parts = [
        Ontology.from_concepts([Concept(f"{name}{n}", "x", alt_ids=[f"{name}{n + 3}"]) for n in range(3)])
        for name in "AB"
    ]
    ids = [f"{'AB'[which]}{number}" for which, number in asked]
    wanted = [which * 3 + int(parts[which].index(i)) for (which, _), i in zip(asked, ids, strict=True)]
    assert JoinedOntologies(parts, "").indices(ids).tolist() == wanted


def corpus(path, infon):
    """The three mentions with their ids under an infon."""
    document, passage = model.BioCDocument(), model.BioCPassage()
    document.id, document.passages = "1", [passage]
    passage.offset, passage.text = 0, TEXT
    ids = {"Gout": ("Disease", "D1"), "influenza": ("Disease", "D2"), "aspirin": ("Chemical", "C1")}
    if infon == "concept_id":  # alternative ids, and another spelling, on the gold side
        ids |= {"Gout": ("Disease", "OLD1"), "aspirin": ("Chemical", "OLD2")}
    for word, (kind, concept_id) in ids.items():
        annotation = model.BioCAnnotation()
        annotation.id, annotation.text, annotation.infons = word, word, {"type": kind, infon: concept_id}
        annotation.locations = [model.BioCLocation(TEXT.index(word), len(word))]
        passage.annotations.append(annotation)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_corpus(str(path), [document], "test")
    return str(path)


@pytest.fixture
def routed(tmp_path):
    """A gold corpus, a run with routes, and the paths of its ontologies."""
    paths = {"Disease": tmp_path / "diseases.arrow", "Chemical": tmp_path / "chemicals.arrow"}
    for path, concepts in zip(paths.values(), (DISEASES, CHEMICALS), strict=True):
        Ontology.from_concepts(concepts).save(str(path))
    corpus(tmp_path / "run/shards/a.xml", "link_id")
    routes = [{"types": [kind], "ontology": str(path)} for kind, path in paths.items()]
    (tmp_path / "run/manifest.json").write_text(json.dumps({"config": {"ontology": None}, "routes": routes}))
    return corpus(tmp_path / "gold.xml", "concept_id"), str(tmp_path / "run"), paths


def test_links_are_scored_by_the_ontologies_of_the_routes(routed):
    gold, run, paths = routed
    result = evaluate(EvaluateConfig((gold,), (run,), bootstrap=0))
    scores = {row["group"]: row["value"] for row in result.groups.to_pylist() if row["metric"] == "Acc@1"}
    assert scores == {"all": 1.0, "Disease": 1.0, "Chemical": 1.0}
    assert set(result.groups["policy"].to_pylist()) == {"linkable"}
    one = evaluate(EvaluateConfig((gold,), (run,), str(paths["Disease"]), bootstrap=0))
    assert one.groups["mentions"][0].as_py() == 2  # it doesn't know the chemical


def test_spans_are_scored_by_the_ontologies_of_the_routes(routed):
    gold, run, _ = routed
    result = evaluate_spans(EvaluateConfig((gold,), (run,), spans=True, bootstrap=0))
    rows = [row for row in result.groups.to_pylist() if row["metric"] == "linked strict F1"]
    assert {row["group"]: (row["value"], row["mentions"]) for row in rows} == {
        "all": (1.0, 3),
        "Disease": (1.0, 2),
        "Chemical": (1.0, 1),
    }


def test_an_ontology_that_is_gone_is_named_with_what_to_run(routed):
    gold, run, paths = routed
    paths["Chemical"].unlink()
    with pytest.raises(ConfigError) as caught:
        evaluate(EvaluateConfig((gold,), (run,)))
    said = str(caught.value)
    assert f"{paths['Chemical']} isn't there" in said
    for kind, path in paths.items():
        assert f"--ontology {path} --mention-types {kind}" in said


def test_what_runs_recorded():
    assert open_recorded([]) is None
    with pytest.raises(ConfigError, match=r"several ontologies \(a\.arrow, b\.arrow\): choose one"):
        open_recorded([(((), "a.arrow"),), (((), "b.arrow"),)])
