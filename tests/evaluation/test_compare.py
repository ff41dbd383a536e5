import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from compared_runs import make_run, save_corpus, save_ontology, text_document
from samples import annotation, document, passage

from raybel.corpus.documents import format_gold
from raybel.errors import ConfigError, InputError, MismatchError
from raybel.evaluation import leaderboard
from raybel.evaluation.changes import CHANGED, GAINED, LOST, OTHER, Changes
from raybel.evaluation.compare import compare
from raybel.evaluation.config import CompareConfig, ShowConfig
from raybel.evaluation.evaluate import EvaluateConfig, evaluate
from raybel.evaluation.selection import select

TEXTS = {
    "1": ("Gout and influenza, and asthma.", "Gout=C2", "influenza=C3", "asthma=C4"),
    "2": ("Cystic fibrosis with asthma or a cold.", "Cystic fibrosis=OLD1", "asthma=C4", "cold=X9"),
    "3": ("No gout here, but influenza.", "gout=C2", "influenza=C3"),
}
FIRST = {"gout": ["C2", "C1"], "influenza": ["C4"], "asthma": ["C4"], "cystic fibrosis": ["C1"], "cold": ["C|5"]}
SECOND = {"gout": ["C2", "C1"], "influenza": ["C3"], "asthma": ["C2", "C4"], "cystic fibrosis": ["C1"], "cold": ["C3"]}


@pytest.fixture
def home(tmp_path):
    save_ontology(tmp_path / "o.arrow")
    save_corpus(tmp_path / "in.xml", *(text_document(name, *rest) for name, rest in TEXTS.items()))
    return tmp_path


@pytest.fixture
def runs(home):
    corpora = [str(home / "in.xml")]
    ontology = str(home / "o.arrow")
    return [make_run(home / name, corpora, links, ontology) for name, links in (("a", FIRST), ("b", SECOND))]


def with_gold(runs, home, **options):
    return compare(CompareConfig(tuple(runs), (str(home / "in.xml"),), **{"bootstrap": 50, **options}))


def row(result, metric="Acc@1", group="all", second=None):
    return next(
        row
        for row in result.table.to_pylist()
        if (row["metric"], row["group"]) == (metric, group) and second in (None, row["second"])
    )


def listed(changes, kind):
    return [(change.times, change.first, change.second, change.example["text"]) for change in changes.of(kind)]


def said(result):
    return " ".join(result.sentences)


def test_scores_differences_and_changes_worked_out_by_hand(runs, home):
    result = with_gold(runs, home)
    found = row(result)
    assert (found["mentions"], found["documents"]) == (7, 3)  # X9 is unknown, so it doesn't count
    assert (found["first_value"], found["second_value"]) == (5 / 7, 5 / 7)
    assert (found["gained"], found["lost"], found["p_mcnemar"]) == (2, 2, 1.0)
    assert row(result, "recall@5")["second_value"] == 1
    assert row(result, "recall@5")["gained"] == 2
    (changes,) = result.changes
    assert listed(changes, GAINED) == [(2, "C4", "C3", "influenza")]
    assert listed(changes, LOST) == [(2, "C4", "C2", "asthma")]
    assert listed(changes, OTHER) == []
    assert (
        changes.of(GAINED)[0].example | {"before": "Gout and ", "after": ", and asthma."}
        == changes.of(GAINED)[0].example
    )
    assert result.names["C4"] == "asthma"


def test_scores_are_those_of_evaluate(runs, home):
    result = with_gold(runs, home, policy=("all",))
    for side, run in zip(("first", "second"), runs, strict=True):
        own = evaluate(EvaluateConfig((str(home / "in.xml"),), (run,), policy=("all",), bootstrap=50))
        for score in own.groups.to_pylist():
            found = row(result, score["metric"], score["group"])
            assert [found[f"{side}_{name}"] for name in ("value", "low", "high")] == [
                score[name] for name in ("value", "low", "high")
            ]
    (changes,) = result.changes
    assert listed(changes, OTHER) == [(1, "C|5", "C3", "cold")]  # both wrong


def test_all_parts_of_a_composites_link_count(home):
    marks = [annotation("gout or flu", (0, 11), type="Disease", concept_id="C4|C1")]
    gold = save_corpus(home / "gold.xml", document("1", passage("gout or flu", *marks)))
    linked = []
    for parts in (("C2", "C4"), ("C2", "C3"), ("C2", "C|5")):
        links = {"link_id": format_gold(parts), "all_links": format_gold(parts)}
        mark = annotation("gout or flu", (0, 11), type="Disease", **links)
        linked.append(save_corpus(home / f"{len(linked)}.xml", document("1", passage("gout or flu", mark))))
    options = {"policy": ("all",), "ontology": save_ontology(home / "o.arrow")}
    result = compare(CompareConfig(tuple(linked), (gold,), **options))
    without = compare(CompareConfig(tuple(linked)))
    for other, link in enumerate(("C2|C3", "C2|C%7C5")):
        assert listed(result.changes[other], OTHER) == [(1, "C2|C4", link, "gout or flu")]
        assert listed(without.changes[other], CHANGED) == [(1, "C2|C4", link, "gout or flu")]
    assert result.names["C2|C3"] == "gout|influenza"


def test_too_many_changes_are_counted_in_bounds():
    changes = Changes({"first": "a", "second": "b", "policy": None}, most=10)
    for number in range(100):
        changes.add(CHANGED, "C1", "C2", {"text": "often"})
        changes.add(CHANGED, "C1", f"X{number}", {"text": "once"})
        assert len(changes.of(CHANGED)) <= 10
    assert changes.totals[CHANGED] == 200
    often = changes.of(CHANGED)[0]
    assert (often.second, often.times <= 100 <= often.times + changes.error) == ("C2", True)
    assert changes.sentences() == [
        "There are too many different changes from a to b to count each: how often one occurs may be too low by up to "
        f"{changes.error:,}, and rare ones are left out."
    ]
    assert Changes({}).sentences() == []


def test_a_run_doesnt_differ_from_itself(runs, home):
    for result in (with_gold(runs[:1] * 2, home), compare(CompareConfig(tuple(runs[:1] * 2)))):
        assert not sum(changes.totals.total() for changes in result.changes)
    assert row(with_gold(runs[:1] * 2, home))["difference"] == 0


def test_swapped_runs_mirror_gains_and_losses(runs, home):
    one, other = with_gold(runs, home), with_gold(runs[::-1], home)
    for kind, mirrored in ((GAINED, LOST), (LOST, GAINED), (OTHER, OTHER)):
        assert listed(one.changes[0], kind) == [
            (times, first, second, text) for times, second, first, text in listed(other.changes[0], mirrored)
        ]
    assert row(one)["difference"] == -row(other)["difference"]


def test_gold_mentions_that_only_one_run_has_are_counted_and_named(runs, home):
    short = save_corpus(home / "short.xml", text_document("1", *TEXTS["1"][:3]), text_document("3", *TEXTS["3"][:2]))
    lacking = make_run(home / "c", [short], SECOND, str(home / "o.arrow"))
    result = with_gold([runs[0], lacking], home)
    assert row(result)["mentions"] == 7
    assert "c lacks 5 gold mentions that another run has, such as 1 'asthma', 2 'Cystic fibrosis', 2 'asthma'" in said(
        result
    )
    assert (3, "C4", None, "asthma") not in listed(result.changes[0], LOST)
    assert (2, "C4", None, "asthma") in listed(result.changes[0], LOST)


def test_what_training_and_the_first_stage_know_splits_the_differences(home):
    corpora = [str(home / "in.xml")]
    ontology = str(home / "o.arrow")
    first = make_run(home / "a", corpora, FIRST, ontology)
    second = make_run(home / "b", corpora, SECOND, ontology, unsure=["influenza"])
    train = save_corpus(home / "train.xml", text_document("t", "Asthma.", "Asthma=C4"))
    result = with_gold([first, second], home, train_corpus=(train,))
    assert (row(result, group="unsure")["mentions"], row(result, group="unsure")["gained"]) == (2, 2)
    assert (row(result, group="sure")["gained"], row(result, group="sure")["lost"]) == (0, 2)
    assert row(result, group="seen")["lost"] == 2


def test_several_runs_make_a_leaderboard_with_published_figures(home, runs):
    better = make_run(home / "c", [str(home / "in.xml")], {**SECOND, "asthma": ["C4"]}, str(home / "o.arrow"))
    result = with_gold([*runs, better], home, policy=("linkable", "belb"), anchors="ncbi-disease")
    assert leaderboard.policies(result) == ["linkable", "belb"]
    plain = leaderboard.standings(result, "linkable")
    assert [one.name.split("/")[-1] for one in plain] == ["c", "a", "b"]
    assert [one.name[0] for one in plain] == ["C", "A", "B"]
    ranked = [(one.name.split()[0], one.scores["Acc@1"][0]) for one in leaderboard.standings(result, "belb")]
    assert ranked == [
        ("BELHD", 0.876),
        ("C", 7 / 8),
        ("GenBioEL", 0.839),
        ("BioSyn", 0.808),
        ("A", 5 / 8),
        ("B", 5 / 8),
    ]
    assert len(result.changes) == 4
    assert len(result.changes_shown()) == 2


def test_types_with_published_figures_have_a_board_of_their_own(home, runs):
    result = with_gold(runs, home, policy=("belb",), anchors="bc5cdr")
    assert leaderboard.anchored_groups(result, "belb") == [("type", "Disease")]
    systems = [one.name for one in leaderboard.standings(result, "belb", ("type", "Disease"))]
    assert systems[0] == "BELHD (published)"
    assert len(systems) == 3


def test_changes_are_written_to_files(runs, home):
    result = compare(CompareConfig(tuple(runs), (str(home / "in.xml"),), bootstrap=0), keep_rows=True)
    result.write_mentions(str(home / "m.json"))
    rows = json.loads((home / "m.json").read_text())
    assert [(one["doc_id"], one["text"], one["change"], one["first_link"], one["second_link"]) for one in rows] == [
        ("1", "influenza", GAINED, "C4", "C3"),
        ("1", "asthma", LOST, "C4", "C2"),
        ("2", "asthma", LOST, "C4", "C2"),
        ("3", "influenza", GAINED, "C4", "C3"),
    ]
    assert rows[0]["gold"] == ["C3"]
    result.write_summary(str(home / "s.parquet"))
    assert pq.read_table(home / "s.parquet").equals(result.table)


def test_agreement_worked_out_by_hand(runs):
    result = compare(CompareConfig(tuple(runs)), keep_rows=True)
    found = result.table.to_pylist()[0]
    assert (found["mentions"], found["same"], found["changed"]) == (8, 3, 5)
    assert found["agreement"] == 3 / 8
    # gout twice and fibrosis have the same candidates; asthma twice one of two; influenza twice and cold none
    assert found["overlap"] == pytest.approx((3 + 2 * 1 / 2) / 8)
    assert [row["group"] for row in result.table.to_pylist()] == ["all", "Disease"]
    (changes,) = result.changes
    assert listed(changes, CHANGED) == [
        (2, "C4", "C3", "influenza"),
        (2, "C4", "C2", "asthma"),
        (1, "C|5", "C3", "cold"),
    ]
    assert changes.of(CHANGED)[1].example["before"] == "Gout and influenza, and "
    assert result.names["C|5"].startswith("common cold")
    assert changes.table().num_rows == 5


def test_links_that_come_and_go(home, runs):
    other = make_run(home / "c", [str(home / "in.xml")], {"asthma": ["C4"], "cold": ["C|5"]})
    found = compare(CompareConfig((runs[0], other))).table.to_pylist()[0]
    assert (found["same"], found["no_longer_linked"], found["newly_linked"], found["unlinked"]) == (3, 5, 0, 0)
    found = compare(CompareConfig((other, runs[0]))).table.to_pylist()[0]
    assert (found["no_longer_linked"], found["newly_linked"]) == (0, 5)
    assert compare(CompareConfig((other, other))).table.to_pylist()[0]["agreement"] == 1


def test_bioc_files_of_a_run_are_as_good_as_the_run(runs):
    one = compare(CompareConfig(tuple(runs)))
    other = compare(CompareConfig((f"{runs[0]}/shards", f"{runs[1]}/shards/in.xml.gz")))
    left_out = ["first", "second"]
    assert one.table.drop_columns(left_out).equals(other.table.drop_columns(left_out))
    changes = [each.changes[0] for each in (one, other)]
    assert listed(changes[0], CHANGED) == listed(changes[1], CHANGED)
    contexts = [[change.example["before"] for change in each.of(CHANGED)] for each in changes]
    assert contexts[0] == contexts[1]


def test_shards_may_be_cut_and_ordered_otherwise(home, runs):
    files = []
    for name, rest in reversed(TEXTS.items()):
        files.append(save_corpus(home / f"z{9 - int(name)}.xml", text_document(name, *rest)))
    apart = make_run(home / "c", files, SECOND, chunk_documents=1)
    whole = compare(CompareConfig(tuple(runs)))
    result = compare(CompareConfig((runs[0], apart)))
    assert result.table.to_pylist()[0] | {"second": ""} == whole.table.to_pylist()[0] | {"second": ""}


def test_what_only_one_run_has_is_counted_and_named(home, runs):
    changed = text_document("1", *TEXTS["1"][:3])  # without asthma
    added = text_document("9", "More gout.", "gout")
    other = make_run(home / "c", [save_corpus(home / "c.xml", changed, added)], FIRST)
    result = compare(CompareConfig((runs[0], other)))
    assert result.table.to_pylist()[0]["mentions"] == 2
    assert "Not compared: 6 mentions (2 documents without a mention there among them) of" in said(result)
    assert "in document 1 'asthma', 2, 3." in said(result) or "in document 2, 3, 1 'asthma'." in said(result)
    assert "Not compared: 1 mention (1 document without a mention there among them) of" in said(result)


def test_runs_over_different_inputs_are_refused(home, runs):
    other = make_run(home / "c", [save_corpus(home / "c.xml", text_document("9", "More gout.", "gout"))], FIRST)
    with pytest.raises(
        MismatchError, match=r"different inputs: no document id is in both; .*a has 3 documents.*such as 1"
    ):
        compare(CompareConfig((runs[0], other)))
    for pair in ((f"{runs[0]}/shards", other), (other, f"{runs[0]}/shards")):
        with pytest.raises(MismatchError, match="no document id is in both"):
            compare(CompareConfig(pair))
    other = make_run(home / "d", [save_corpus(home / "d.xml", text_document("1", "A text with gout.", "gout"))], FIRST)
    with pytest.raises(MismatchError, match="documents of the same ids have no mention in common"):
        compare(CompareConfig((runs[0], other)))


def test_runs_without_mentions_are_refused(home, runs):
    empty = make_run(home / "c", [save_corpus(home / "c.xml", document("1", passage("Nothing.")))], FIRST)
    for pair in ((runs[0], empty), (empty, runs[0]), (empty, empty)):
        with pytest.raises(ConfigError, match="c: there are no mentions to compare"):
            compare(CompareConfig(pair))


def test_a_gold_corpus_of_other_documents_is_refused(home, runs):
    gold = save_corpus(home / "gold.xml", text_document("99", "Gout.", "Gout=C2"))
    with pytest.raises(MismatchError, match=r"gold.xml and .*a: no document id is in both"):
        compare(CompareConfig(tuple(runs), (gold,)))


def test_an_unfinished_run_is_named(home, runs):
    other = make_run(home / "c", [str(home / "in.xml")], SECOND, str(home / "o.arrow"), finished=False)
    for options in ({}, {"gold_corpus": (str(home / "in.xml"),), "bootstrap": 0}):
        (warning,) = compare(CompareConfig((runs[0], other), **options)).warnings
        assert "c isn't finished: only its 1 finished shard can be read" in warning


def test_runs_that_keep_different_numbers_of_candidates_are_named(runs):
    for run, top_k in zip(runs, (5, 10), strict=True):
        path = Path(run) / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"config": {"top_k": top_k}}))
    (warning,) = compare(CompareConfig(tuple(runs))).warnings
    assert f"({runs[0]} 5, {runs[1]} 10; --top-k)" in warning


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"runs": ("a",)}, "at least two runs"),
        ({"runs": ("a", "b", "b")}, "a run is given twice"),
        ({"policy": ("belb",)}, "--policy goes with --gold-corpus"),
        ({"ontology": "o.arrow"}, "--ontology goes with --gold-corpus"),
        ({"gold_corpus": ("in.xml",), "policy": ("unseen",)}, "--train-corpus"),
        ({"gold_corpus": ("in.xml",), "policy": ("none",)}, "there is no none"),
    ],
)
def test_what_cant_be_compared_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        CompareConfig(**{"runs": ("a", "b"), **options})


def test_damage_names_the_file(home, runs):
    table = home / "b" / "mentions" / "in.xml.gz.parquet"
    good = table.read_bytes()
    table.write_bytes(good[: len(good) // 2])
    with pytest.raises(InputError, match=r"in\.xml\.gz\.parquet: can't be read"):
        compare(CompareConfig(tuple(runs)))
    pq.write_table(pq.read_table(io.BytesIO(good)).drop_columns(["link_id"]), table)
    with pytest.raises(InputError, match="has no column link_id: another version of raybel made it"):
        compare(CompareConfig(tuple(runs)))
    table.unlink()
    with pytest.raises(InputError, match=r"in\.xml\.gz\.parquet"):
        compare(CompareConfig(tuple(runs)))


def test_discontinuous_and_repeated_mentions_are_joined_in_order(home):
    text = "gout, gout"
    marks = [annotation("gout", (place, 4), name="T1", type="Disease") for place in (0, 6, 6)]
    corpus = save_corpus(home / "r.xml", document("1", passage(text, *marks)), document("1", passage(text, marks[0])))
    one, other = (make_run(home / name, [corpus], {"gout": [link]}) for name, link in (("a", "C1"), ("b", "C2")))
    result = compare(CompareConfig((one, other)))
    assert result.table.to_pylist()[0]["changed"] == 4
    assert not any("Not compared" in sentence for sentence in result.sentences)


def test_runs_may_lie_on_an_object_store(home, runs, endpoint):
    stored = make_run(endpoint("compared"), [str(home / "in.xml")], SECOND, str(home / "o.arrow"))
    for options in ({}, {"gold_corpus": (str(home / "in.xml"),), "bootstrap": 0}):
        here, there = (compare(CompareConfig((runs[0], second), **options)) for second in (runs[1], stored))
        names = ["first", "second"]
        assert here.table.drop_columns(names).equals(there.table.drop_columns(names))
    (document,) = select(ShowConfig(stored, doc_id=("3",))).documents()
    assert [mention["link_id"] for mention in document.mentions] == ["C2", "C3"]
