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


def value(result, metric="Acc@1", kind="all", group="all"):
    (found,) = [
        row
        for row in result.groups.to_pylist()
        if (row["metric"], row["group_kind"], row["group"]) == (metric, kind, group)
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
