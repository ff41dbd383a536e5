import csv
import gzip
import json
import subprocess
import sys

import bioc as model
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from raybel.cli.evaluate import evaluate as command
from raybel.config import MentionOptions
from raybel.corpus.documents import format_gold, quote_id
from raybel.corpus.reading import write_corpus
from raybel.errors import ConfigError, InputError, MismatchError, RaybelError
from raybel.evaluation import predictions
from raybel.evaluation.evaluate import EvaluateConfig, evaluate
from raybel.ontology import Concept, Ontology

TEXT = "Cystic fibrosis (CF) and gout and CF with flu or a cold, a cough, an ache."
ODD = "A|1=2%3+4"


def mention(start, text, mention_id="", **infons):
    annotation = model.BioCAnnotation()
    annotation.id, annotation.text, annotation.infons = mention_id, text, infons
    annotation.locations = [model.BioCLocation(start, len(text))]
    return annotation


def at(text, mention_id="", nth=0, **infons):
    start = -1
    for _ in range(nth + 1):
        start = TEXT.index(text, start + 1)
    return mention(start, text, mention_id, **infons)


def document(doc_id, *mentions, text=TEXT):
    made, passage = model.BioCDocument(), model.BioCPassage()
    made.id, made.passages = doc_id, [passage]
    passage.offset, passage.text, passage.annotations = 0, text, list(mentions)
    return made


@pytest.fixture
def write(tmp_path):
    def write(name, *documents):
        path = str(tmp_path / name)
        write_corpus(path, documents, "test")
        return path

    return write


@pytest.fixture
def ontology(tmp_path):
    path = str(tmp_path / "ontology.arrow")
    concepts = [Concept("C1", "cystic fibrosis", alt_ids=["OLD1"]), Concept("C2", "gout"), Concept("C3", "influenza")]
    Ontology.from_concepts([*concepts, Concept(ODD, "odd one")]).save(path)
    return path


def score(gold, predicted, ontology=None, **options):
    options = {"bootstrap": 0, **options}
    return evaluate(EvaluateConfig((gold,), (predicted,), ontology, **options))


def value(result, metric="Acc@1", kind="all", group="all", policy=None):
    (found,) = [
        row
        for row in result.groups.to_pylist()
        if (row["metric"], row["group_kind"], row["group"]) == (metric, kind, group) and policy in (None, row["policy"])
    ]
    return found["value"]


def column(result, name):
    return result.mentions[name].to_pylist()


@pytest.mark.parametrize(
    ("infons", "ranking"),
    [
        ({}, []),
        ({"concept_id": "C1"}, []),  # gold, left by raybel on a mention that it linked to nothing
        ({"link_id": "C1", "link_score": "0.5"}, ["C1"]),
        ({"link_id": "C1", "all_links": "C2=0.9|C1=0.5"}, ["C2", "C1"]),
        ({"link_id": "C1", "all_links": ""}, ["C1"]),
        ({"link_id": ODD}, [ODD]),
        ({"all_links": f"{quote_id(ODD)}=0.9|C1=0.1"}, [ODD, "C1"]),
        ({"all_links": "A=B=0.9"}, ["A=B"]),
        ({"all_links": "C1|C2=0.1|=0.3"}, ["C1", "C2"]),
        ({"concept_id": "C1", "concept_score": "0.5"}, ["C1"]),
        ({"concept_id": "C1", "concept_score": "0.5", "all_links": "C1=0.5|C2=0.4"}, ["C1", "C2"]),
        ({"link_id": "-1"}, []),
    ],
)
def test_rankings_are_read_in_both_spellings(infons, ranking):
    assert predictions.ranking_of(infons) == ranking


def test_scores_worked_out_by_hand(write, ontology):
    gold = write(
        "gold.xml",
        document("1", at("gout", "T1", concept_id="C2", type="D"), at("flu", "T2", concept_id="C3", type="D")),
        document("2", at("gout", "T1", concept_id="C2", type="E"), at("cold", "T2", concept_id="C1", type="D")),
    )
    six = "X1=.9|X2=.8|X3=.7|X4=.6|X5=.5|C1=.4"
    predicted = write(
        "pred.xml.gz",
        document("1", at("gout", "T1", all_links="C2=.9|C1=.1"), at("flu", "T2", all_links="C1=.9|C3=.1")),
        document("2", at("gout", "T1"), at("cold", "T2", all_links=six)),
    )
    result = score(gold, predicted, ontology)
    assert column(result, "rank") == [0, 1, None, 5]
    expected = {"Acc@1": 1 / 4, "recall@5": 2 / 4, "recall@10": 3 / 4, "recall@all": 3 / 4}
    assert {name: value(result, name) for name in expected} == expected
    assert value(result, "MRR") == pytest.approx((1 + 1 / 2 + 1 / 6) / 4)
    assert value(result, "Acc@1", "type", "D") == pytest.approx(1 / 3)
    assert value(result, "Acc@1", "type", "E") == 0
    assert result.sentences[0].startswith("Policy linkable: 4 of 4 gold mentions count")
    assert "recall@all counts all links of a mention: in these predictions at most 6." in result.sentences
    assert "Predicted ids that aren't in the ontology: 5 (such as X1)." in result.sentences


def test_mentions_join_by_id_and_span_then_by_span_in_order(write):
    gold = write("gold.xml", document("1", at("CF", "T1", concept_id="C1"), at("gout", "T2", concept_id="C2")))
    renumbered = write("pred.xml", document("1", at("gout", "T1", link_id="C2"), at("CF", "T9", link_id="C1")))
    assert value(score(gold, renumbered)) == 1.0

    twice = [at("gout", "T1", concept_id="C1"), at("gout", "T2", concept_id="C2"), at("flu", "T3", concept_id="C3")]
    gold = write("twice.xml", document("1", *twice))
    swapped = [at("gout", "T2", link_id="C2"), at("flu", "T3", link_id="C3"), at("gout", "T1", link_id="C1")]
    assert value(score(gold, write("swapped.xml", document("1", *swapped)))) == 1.0
    nameless = [at("gout", link_id="C1"), at("gout", link_id="C2"), at("flu", link_id="C3")]
    assert value(score(gold, write("nameless.xml", document("1", *nameless)))) == 1.0


def test_the_same_id_and_text_join_where_offsets_are_counted_otherwise(write):
    gold = write("gold.xml", document("1", at("gout", "T1", concept_id="C2"), at("flu", "T2", concept_id="C3")))
    far = mention(500, "gout", "T1", link_id="C2")
    other = mention(600, "ache", "T2", link_id="C3")  # the old id on another mention joins nothing
    result = score(gold, write("pred.xml", document("1", far, other)))
    assert column(result, "rank") == [0, None]
    assert any("not among the predicted mentions: 1;" in sentence for sentence in result.sentences)


def test_what_has_no_counterpart_is_wrong_and_counted(write):
    gold = write(
        "gold.xml",
        document("1", at("gout", "T1", concept_id="C2"), at("flu", "T2", concept_id="C3")),
        document("2", at("flu", "T1", concept_id="C3")),
    )
    predicted = write(
        "pred.xml",
        document("1", at("gout", "T1", link_id="C2"), at("ache", "T5", link_id="C1")),
        document("9", at("gout", "T1", link_id="C2"), at("flu", "T2", link_id="C3")),
    )
    result = score(gold, predicted)
    assert value(result) == pytest.approx(1 / 3)
    assert "Gold documents that aren't among the predicted ones: 1 of 2." in result.sentences
    said = "Ignored: 1 predicted mention where no gold mention counts, and 2 in 1 other document."
    assert said in result.sentences


def test_a_document_id_that_repeats_is_taken_in_order(write):
    gold = write(
        "gold.xml",
        document("1", at("gout", "T1", concept_id="C2")),
        document("1", at("gout", "T1", concept_id="C1")),
    )
    predicted = write(
        "pred.xml", document("1", at("gout", "T1", link_id="C2")), document("1", at("gout", "T1", link_id="C1"))
    )
    assert value(score(gold, predicted)) == 1.0


@pytest.fixture
def mixed(write):
    gold = write(
        "mixed.xml",
        document(
            "1",
            at("Cystic fibrosis", "T1", concept_id="OLD1"),
            at("gout", "T2", concept_id="C1|C2"),
            at("flu", "T3", concept_id="-1"),
            at("cold", "T4", concept_id="D99"),
            at("cough", "T5"),
            at("ache", "T6", concept_id="-1"),
        ),
    )
    predicted = write(
        "mixed-pred.xml",
        document(
            "1",
            at("Cystic fibrosis", "T1", link_id="C1"),
            at("gout", "T2", all_links="C2=2|OLD1=1|C3=0"),
            at("flu", "T3"),
            at("cold", "T4", link_id="D99"),
            at("cough", "T5", link_id="C1"),
            at("ache", "T6", link_id="C1"),
        ),
    )
    return gold, predicted


def test_linkable_counts_mentions_with_one_known_id(mixed, ontology):
    result = score(*mixed, ontology)
    assert column(result, "category") == ["single", "composite", "nil", "unknown", "unannotated", "nil"]
    assert column(result, "counts") == [True, False, False, False, False, False]
    assert value(result) == 1.0
    assert result.sentences[:2] == (
        "Policy linkable: 1 of 6 gold mentions count: those with one id that the ontology knows.",
        "Left out: 1 with several ids (composite), 2 without a concept (NIL), 1 with an id that the ontology doesn't "
        "know (such as D99), 1 without a gold annotation.",
    )


def test_all_counts_every_annotated_mention(mixed, ontology):
    result = score(*mixed, ontology, policy="all")
    assert column(result, "at_1") == [True, True, True, True, None, False]
    assert column(result, "rank") == [0, 0, 0, 0, None, None]
    assert value(result) == 4 / 5
    assert result.sentences[1] == "Left out: 1 without a gold annotation."


def test_several_policies_at_once_are_those_of_each(mixed, ontology):
    together = score(*mixed, ontology, policy=("belb", "all", "biosyn", "linkable"))
    alone = {policy: score(*mixed, ontology, policy=policy) for policy in ("belb", "all", "biosyn", "linkable")}
    for kind in ("groups", "mentions"):
        rows = [row for result in alone.values() for row in getattr(result, kind).to_pylist()]
        assert getattr(together, kind).to_pylist() == rows
    assert {policy: value(result) for policy, result in alone.items()} == {
        "belb": 1.0,
        "all": 4 / 5,
        "biosyn": 1.0,
        "linkable": 1.0,
    }
    assert [sentence.split(":")[0] for sentence in together.sentences[:4]] == [f"Policy {policy}" for policy in alone]
    assert score(*mixed, ontology, policy="belb,all").groups == score(*mixed, ontology, policy=("belb", "all")).groups


def test_every_policy_is_each_that_the_inputs_allow(mixed, write, ontology):
    policies = lambda result: list(dict.fromkeys(result.groups["policy"].to_pylist()))  # noqa: E731
    assert policies(score(*mixed, ontology, policy="every")) == ["linkable", "all", "belb", "biosyn"]
    train = write("train.xml", document("8", at("gout", "T1", concept_id="C3")))
    trained = score(*mixed, ontology, policy="every", train_corpus=(train,))
    assert policies(trained) == ["linkable", "all", "belb", "biosyn", "unseen"]
    nil = write("nil.xml", document("1", at("gout", "T1", concept_id="-1")))
    result = score(nil, nil, ontology, policy="every")
    assert policies(result) == ["all"]
    assert any(s.startswith("Not scored: Policy belb: 0 of 1 gold mention count") for s in result.sentences)


def test_a_composite_of_which_one_id_is_first(write, ontology):
    gold = write("gold.xml", document("1", at("gout", "T1", concept_id="C1+C2")))
    predicted = write("pred.xml", document("1", at("gout", "T1", all_links="C2=.9|C3=.8|C1=.7")))
    result = score(gold, predicted, ontology, policy=("belb", "biosyn", "all"))
    assert column(result, "rank") == [0, 2, 2]
    assert column(result, "policy") == ["belb", "biosyn", "all"]
    only = write("only.xml", document("1", at("gout", "T1", link_id="OLD1")))
    assert column(score(gold, only, ontology, policy=("belb", "biosyn")), "rank") == [0, None]


def test_the_parts_of_a_composite_are_judged_where_predictions_have_them(write, ontology):
    whole = "gout and CF with flu"
    gold = write("gold.xml", document("1", at(whole, "T1", concept_id="C2|C3"), at("cough", "T2", concept_id="C1")))
    links = {"gout": "C2=.9", "flu": "C1=.9|C3=.8"}
    parts = [at(name, f"P{n}", all_links=ranking) for n, (name, ranking) in enumerate(links.items())]
    others = [at(whole, "T1", link_id="C1"), at("cough", "T2", link_id="C1"), at("ache", "T9", link_id="C1")]
    result = score(gold, write("parts.xml", document("1", *others, *parts)), ontology, policy=("biosyn", "all", "belb"))
    assert column(result, "rank") == [1, 0, None, 0, None, 0]  # of the parts, the second is right at its second link
    assert "1 composite of which the predictions have the parts" in result.sentences[0]
    assert any("3 predicted mentions where no gold mention counts (2 of them parts" in s for s in result.sentences)
    three = [*parts, at("CF", "P3", nth=1, link_id="C2")]
    for predicted in (parts[:1], three):  # as many parts as ids, else none
        odd = write("odd.xml", document("1", *others, *predicted))
        assert column(score(gold, odd, ontology, policy="biosyn"), "rank") == [None, 0]
    unlinked = [parts[0], at("flu", "P1")]
    result = score(gold, write("unlinked.xml", document("1", *unlinked)), ontology, policy="biosyn")
    assert column(result, "rank") == [None, None]


def test_unseen_leaves_out_surfaces_that_training_has_with_this_concept(write, ontology):
    train = write(
        "train.xml",
        document("8", at("Cystic fibrosis", "T1", concept_id="C1"), at("flu", "T2", concept_id="C2|C3")),
        document("9", at("gout", "T1", concept_id="C3"), at("cold", "T2", concept_id="-1")),
    )
    golds = {"CF": "OLD1", "flu": "C3", "gout": "C2", "cold": "C3", "cough": "C2|C3", "ache": "D99"}
    gold = write(
        "gold.xml", document("1", *(at(name, name, nth=name == "CF", concept_id=i) for name, i in golds.items()))
    )
    right = write("pred.xml", document("1", at("gout", "gout", link_id="C2")))
    result = score(gold, right, ontology, policy="unseen", train_corpus=(train,))
    assert column(result, "pair_seen") == [True, True, False, False, False, False]
    assert column(result, "counts") == [False, False, True, True, False, False]
    assert value(result) == 1 / 2
    assert result.sentences[1].startswith(
        "Left out: 2 whose surface training has with the same concept, 1 with several"
    )
    seen = write("seen.xml", document("1", at("flu", "T1", concept_id="C3")))
    with pytest.raises(ConfigError, match=r"seen\.xml: there is nothing to score. Policy unseen: 0 of 1"):
        score(seen, seen, ontology, policy="unseen", train_corpus=(train,))


def test_a_policy_that_cannot_be_judged_is_refused(write, ontology):
    gold = write("gold.xml", document("1", at("gout", "T1", concept_id="C2")))
    nil = write("nil.xml", document("1", at("gout", "T1", concept_id="-1")))
    with pytest.raises(ConfigError, match=r"unseen leaves out what training has.*--train-corpus"):
        EvaluateConfig((gold,), (gold,), policy="unseen")
    with pytest.raises(ConfigError, match=r"nothing to score. Policy belb: 0 of 1 gold mention count"):
        score(nil, nil, ontology, policy=("all", "belb"))
    with pytest.raises(ConfigError, match="there is no some; there are linkable, all, belb, biosyn, unseen, every"):
        EvaluateConfig((gold,), (gold,), policy="belb,some")
    with pytest.raises(ConfigError, match="at least one of linkable"):
        EvaluateConfig((gold,), (gold,), policy=())
    with pytest.raises(ConfigError, match="--anchors bc5cdr: figures are published by"):
        EvaluateConfig((gold,), (gold,), anchors="bc5cdr")
    for policy in ("belb", "linkable,all", "every"):
        with pytest.raises(ConfigError, match="--spans goes with one policy, linkable or all"):
            EvaluateConfig((gold,), (gold,), policy=policy, spans=True)


def test_without_an_ontology_ids_are_compared_as_written(mixed):
    result = score(*mixed)
    assert column(result, "counts") == [True, False, False, True, False, False]
    assert value(result) == 1 / 2  # OLD1 isn't known to be C1
    assert result.groups["policy"][0].as_py() == "linkable without ontology"
    assert any("isn't known" in sentence for sentence in result.sentences)


def test_ids_with_reserved_characters(write, ontology):
    gold = write("gold.xml", document("1", at("gout", "T1", concept_id=format_gold([ODD]))))
    links = f"C1=0.9|{quote_id(ODD)}=0.8"
    result = score(gold, write("pred.xml", document("1", at("gout", "T1", link_id="C1", all_links=links))), ontology)
    assert column(result, "gold") == [[ODD]]
    assert column(result, "rank") == [1]


def test_seen_in_training_by_surface_and_by_concept(write, ontology):
    train = write(
        "train.xml",
        document("8", at("Cystic fibrosis", "T1", concept_id="C1"), at("flu", "T2", concept_id="-1")),
    )
    gold = write(
        "gold.xml",
        document(
            "1",
            at("CF", "T1", nth=1, concept_id="OLD1"),
            at("gout", "T2", concept_id="C1"),
            at("flu", "T3", concept_id="C3"),
        ),
    )
    predicted = write("pred.xml", document("1", at("CF", "T1", nth=1, link_id="C1"), at("gout", "T2", link_id="C3")))
    result = score(gold, predicted, ontology, train_corpus=(train,))
    assert column(result, "surface_seen") == [True, False, False]  # CF is cystic fibrosis in its document
    assert column(result, "concept_seen") == [True, True, False]
    assert value(result, "Acc@1", "surface", "seen") == 1.0
    assert value(result, "Acc@1", "concept", "seen") == 0.5
    plain = score(gold, predicted, ontology, train_corpus=(train,), mentions=MentionOptions(expand_abbreviations=False))
    assert column(plain, "surface_seen") == [False, False, False]
    assert value(plain, "Acc@1", "surface", "seen") is None


def test_scores_are_split_by_what_was_sure(write, ontology):
    gold = write(
        "gold.xml",
        document("1", at("gout", "T1", concept_id="C2"), at("flu", "T2", concept_id="C3")),
        document("2", at("gout", "T1", concept_id="C2"), at("cold", "T2", concept_id="C3")),
    )
    predicted = write(
        "pred.xml",
        document("1", at("gout", "T1", link_id="C2", link_sure="yes"), at("flu", "T2", link_id="C1", link_sure="no")),
        document("2", at("gout", "T1", link_id="C2", link_sure="no"), at("cold", "T2")),
    )
    result = score(gold, predicted, ontology)
    assert column(result, "sure") == [True, False, False, None]
    assert value(result, "Acc@1", "sure", "sure") == 1.0
    assert value(result, "Acc@1", "sure", "unsure") == 0.5
    assert any(sentence.startswith("Sure: ") for sentence in result.sentences)
    plain = score(gold, write("plain.xml", document("1", at("gout", "T1", link_id="C2"))), ontology)
    assert column(plain, "sure") == [None] * 4
    assert "sure" not in plain.groups["group_kind"].to_pylist()


def test_a_run_directory_brings_its_shards_and_its_ontology(write, tmp_path, ontology):
    gold = write("gold.xml", document("1", at("gout", "T1", concept_id="OLD1")))
    (tmp_path / "run/shards/deep").mkdir(parents=True)
    (tmp_path / "run/quarantine").mkdir()
    with gzip.open(tmp_path / "run/shards/deep/a.json.gz", "wt") as file:
        places = [{"offset": TEXT.index("gout"), "length": 4}]
        annotation = {"id": "T1", "text": "gout", "infons": {"link_id": "C1"}, "locations": places}
        passage = {"offset": 0, "text": TEXT, "annotations": [annotation]}
        json.dump({"documents": [{"id": "1", "passages": [passage]}]}, file)
    (tmp_path / "run/quarantine/bad.json").write_text("not BioC")
    manifest = tmp_path / "run/manifest.json"
    manifest.write_text(json.dumps({"config": {"ontology": ontology}}))
    result = score(gold, str(tmp_path / "run"))
    assert value(result) == 1.0
    assert result.groups["policy"][0].as_py() == "linkable"

    manifest.write_text(json.dumps({"config": {"ontology": "gone.arrow"}}))
    with pytest.raises(ConfigError, match=r"gone\.arrow isn't there.*--ontology"):
        score(gold, str(tmp_path / "run"))
    (tmp_path / "run/shards/deep/a.json.gz").unlink()
    with pytest.raises(ConfigError, match="no finished shard"):
        score(gold, str(tmp_path / "run"))


def test_errors_name_what_is_wrong(write, tmp_path, ontology):
    gold = write("gold.xml", document("1", at("gout", "T1", concept_id="D99")))
    other = write("other.xml", document("2", at("gout", "T1", link_id="C2")))
    with pytest.raises(MismatchError, match=r"gold\.xml and .*other\.xml: no document id"):
        score(gold, other)
    with pytest.raises(ConfigError, match=r"empty\.xml: no mention .* 0 documents"):
        score(write("empty.xml"), other)
    with pytest.raises(ConfigError, match=r"no mention of 1 document with 1 mention has a gold annotation"):
        score(other, other)
    with pytest.raises(ConfigError, match=r"nothing to score.*D99"):
        score(gold, gold, ontology)
    with pytest.raises(ConfigError, match="missing"):
        score(gold, str(tmp_path / "missing.xml"))
    (tmp_path / "broken.xml").write_text("<collection><document>")
    with pytest.raises(InputError, match=r"broken\.xml"):
        score(gold, str(tmp_path / "broken.xml"))
    with pytest.raises(ConfigError, match="policy"):
        EvaluateConfig((gold,), (other,), policy="some")


def test_files_that_the_command_writes(mixed, ontology, tmp_path):
    out = {name: str(tmp_path / name) for name in ("m.csv", "m.parquet", "s.csv", "s.parquet", "s.json")}
    flags = [
        part for name, path in out.items() for part in ("--metric_file" if name[0] == "m" else "--summary-file", path)
    ]
    inputs = ["--gold-corpus", mixed[0], "--pred-corpus", mixed[1], "--ontology", ontology]
    run = CliRunner().invoke(command, [*inputs, *flags, "--policy", "all"])
    assert run.exit_code == 0, run.output
    with open(out["m.csv"], encoding="utf-8") as file:
        assert file.read().splitlines()[:3] == ["id,at_1,at_5,at_10,at_all", "1_0_15,1,1,1,1", "1_25_29,1,1,1,1"]
    assert pq.read_table(out["m.parquet"]).num_rows == 6
    with open(out["s.csv"], encoding="utf-8") as file:
        first = next(csv.DictReader(file))
    assert (first["metric"], first["value"], first["low"], first["mentions"]) == ("Acc@1", "0.8", "", "5")
    with open(out["s.json"], encoding="utf-8") as file:
        assert json.load(file) == pq.read_table(out["s.parquet"]).to_pylist()


def test_files_of_several_policies(mixed, ontology, tmp_path):
    result = score(*mixed, ontology, policy=("linkable", "belb"))
    result.write_mentions(str(tmp_path / "m.csv"))
    with open(tmp_path / "m.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["policy"], row["id"], row["at_1"]) for row in rows] == [
        ("linkable", "1_0_15", "1"),
        ("belb", "1_0_15", "1"),
        ("belb", "1_25_29", "1"),
        ("belb", "1_51_55", "1"),
    ]
    result.write_summary(str(tmp_path / "s.csv"))
    with open(tmp_path / "s.csv", encoding="utf-8") as file:
        first = {row["policy"]: row["mentions"] for row in csv.DictReader(file)}
    assert first == {"linkable": "1", "belb": "3"}


def test_a_name_without_a_known_format_is_refused_first(mixed):
    run = CliRunner().invoke(command, ["--gold-corpus", mixed[0], "--pred-corpus", mixed[1], "--metric-file", "m.txt"])
    assert isinstance(run.exception, RaybelError)
    assert "must end in .csv or .parquet" in str(run.exception)


def test_the_table_shows_intervals_and_absent_groups(write, ontology):
    documents = [document(str(n), at("gout", "T1", concept_id="C2")) for n in range(4)]
    linked = [document(str(n), at("gout", "T1", link_id="C2" if n else "C1")) for n in range(4)]
    train = write("train.xml", document("8", at("gout", "T1", concept_id="C2")))
    arguments = ["--gold-corpus", write("g.xml", *documents), "--pred-corpus", write("p.xml", *linked)]
    run = CliRunner().invoke(command, [*arguments, "--ontology", ontology, "--train-corpus", train])
    lines = [line.split() for line in run.output.splitlines()]
    assert ["all", *["75.0"] * 5] in lines
    assert ["4", "mentions", *["[25.0–100]"] * 5] in lines
    assert ["surface", "unseen", *["-"] * 5] in lines
    assert ["0", "mentions"] in lines
    assert "percentile bootstrap over documents (4 with a mention" in " ".join(run.output.split())
    assert "nan" not in run.output.lower()


def test_scoring_needs_no_ray():
    code = "import sys, raybel.cli.evaluate; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
