import json
from pathlib import Path

import pytest
from linked_runs import make_run, mention, small_corpus
from lxml import html as parser
from samples import collection, document, passage, save

from raybel.errors import ConfigError, InputError, MismatchError
from raybel.report import sample as sampling
from raybel.report import write
from raybel.report.concepts import ConceptText
from raybel.report.config import ReportConfig
from raybel.report.quality import linked
from raybel.report.quality_section import concept_words
from raybel.runs.array import FILES
from raybel.runs.logs import read_progress, write_progress
from raybel.runs.pipeline import PipelineDirectory
from raybel.runs.run_directory import RunDirectory


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return small_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def run(corpus, tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("home") / "run", corpus)


def made(run, **options):
    """A run's page as a tree."""
    directory = run.uri if isinstance(run, RunDirectory) else str(run)
    return parser.document_fromstring(write.make_page(ReportConfig(directory, **options)).html())


def headings(tree):
    return [each.text_content() for each in tree.iter("h2")]


def facts(tree):
    names = [*tree.iter("dt")]  # of a name that repeats, the first
    return {name.text_content(): name.getnext().text_content() for name in reversed(names)}


def table(tree, caption):
    found = [each for each in tree.iter("table") if (each.findtext("caption") or "").startswith(caption)]
    assert found, [each.findtext("caption") for each in tree.iter("table")]
    return [[cell.text_content() for cell in row.iter("td")] for row in found[0].iterfind("tbody/tr")]


def text_data(tree):
    return json.loads(tree.xpath("string(//script[@id='data-text'])"))


def test_a_page_without_gold_says_what_was_linked(run):
    tree = made(run)
    assert headings(tree) == ["What was run", "Links", "Linked text", "Speed", "Quarantine"]
    about = facts(tree)
    assert (about["state"], about["documents"], about["mentions"], about["linked"]) == ("finished", "5", "6", "5")
    assert about["ngrams model"].endswith("/ngrams")
    assert "5 of 6 mentions are linked (83.3 %)" in tree.text_content()
    assert ["Disease", "4", "3", "75.0"] in table(tree, "Mentions by type")
    assert table(tree, "The most linked of 3 distinct concepts")[0] == ["Anemia", "D1", "2", "40.0"]
    assert table(tree, "The most frequent of 1 distinct surface") == [["unknown", "1"]]
    least = table(tree, "The 4 lowest scores")
    assert least[0][:4] == ["Asthma attack", "Disease", "Anemia", "D1"]
    assert least[0][4] == "0.300"
    assert sum(int(count) for _, count in table(tree, "How many links have which score")) == 5


def test_speed_and_quarantine(run):
    tree = made(run)
    about = facts(tree)
    assert about["workers"] == "2"
    assert about["tokens, reranking"] == "4,800"
    assert about["cache hits, named"].startswith("75.0 % of 16 surfaces")
    assert table(tree, "Seconds of work by stage") == [["reading", "6.00"], ["candidates", "36.00"]]
    assert len(table(tree, "Documents a second over time")) == 21
    (reason,) = table(tree, "1 record by reason")
    assert reason[:2] == ["document", "read"]
    assert 'offset="-2" is negative' in reason[4]
    assert "-N" in reason[2] or "…" in reason[2]


def test_gold_is_scored_as_evaluate_does(run, corpus):
    tree = made(run, gold=corpus, bootstrap=50)
    assert headings(tree)[:2] == ["What was run", "Quality"]
    (overall, *_) = table(tree, "Scores in percent")
    assert overall[:2] == ["all mentions", "6"]
    assert overall[2].startswith("66.7 [")
    assert "Acc@1 is 66.7 %" in tree.xpath("string(//header)")
    outcomes = dict(table(tree, "What became of the 6 mentions"))
    assert outcomes == {"right": "4", "among the candidates, but not first": "1", "not linked": "1"}
    confusions = [each.text_content() for each in tree.xpath("//ol[@class='confusions']/li")]
    assert confusions[0].startswith("Asthma D2 was linked to Anemia D1: 1 mention")
    assert tree.xpath("string(//ol[@class='confusions']//b[last()])")
    assert "Asthma attack" in confusions[0]
    shown = {(each["text"], each["type"]): each for each in text_data(tree)["mentions"]}
    assert shown["Asthma attack", "Disease"]["state"] == "wrong"
    assert shown["Asthma", "Part"]["state"] == "right"
    assert shown["unknown", "Disease"]["gold"] == ["D1"]


def test_what_the_reranker_did_is_told_apart(corpus, tmp_path):
    changed = make_run(tmp_path / "run", corpus, reranked=True)
    outcomes = dict(table(made(changed, gold=corpus, bootstrap=0), "What became of the 6 mentions"))
    assert outcomes == {"right in both stages": "4", "put right by the re-ranker": "1", "not linked": "1"}


def test_seen_and_unseen_are_apart_where_there_is_a_training_corpus(run, corpus, tmp_path):
    train = save(tmp_path / "t.xml", collection(document("t", passage("asthma", mention("asthma", 0, gold="D2")))))
    names = [row[0] for row in table(made(run, gold=corpus, train_corpus=train, bootstrap=0), "Scores in percent")]
    assert {"surface seen", "surface unseen", "concept seen", "concept unseen"} < set(names)


def test_hostile_names_ids_and_types_are_text(run, corpus):
    tree = made(run, gold=corpus, bootstrap=0)
    assert len(tree.xpath("//script[not(@type)]")) == 2
    assert not tree.xpath("//article//i | //article//script")
    assert "Document <script>alert('id')</script>" in [each.text_content() for each in tree.iter("h3")]
    assert text_data(tree)["concepts"]["D3"][0] == "</script><script>alert('name')</script>"


def test_nested_mentions_and_text_from_the_right(run):
    tree = made(run)
    numbers = [each.get("data-m").split() for each in tree.xpath("//article//mark") if each.text == "Asthma"]
    assert [len(each) for each in numbers] == [2]  # the shorter mention lies in the longer one
    (arabic,) = [each for each in tree.xpath("//article/p") if "ربو" in each.text_content()]
    assert arabic.get("dir") == "auto"
    assert [mark.text for mark in arabic.iter("mark")] == ["ربو"]


def test_the_same_run_gives_the_same_page_from_anywhere(run, corpus, tmp_path, monkeypatch):
    pages = []
    for name, here in (("a.html", tmp_path), ("b.html", Path(corpus).parent), ("c.html", Path(run.uri))):
        monkeypatch.chdir(here)
        pages.append(write.write_report(ReportConfig(run.uri, out=str(tmp_path / name))))
    assert len({Path(page).read_bytes() for page in pages}) == 1
    assert facts(made(run))["input"] == corpus


def test_a_run_that_isnt_finished_says_so(corpus, tmp_path):
    tree = made(make_run(tmp_path / "run", corpus, finished=False))
    (notice,) = tree.xpath("//p[@role='note']")
    assert notice.text_content().startswith("This run isn't finished (stopped; run the same command to go on): 1 of 1")
    assert "Links" in headings(tree)


def test_a_run_that_has_just_begun(corpus, tmp_path):
    run = make_run(tmp_path / "run", corpus, finished=False, shards=False)
    tree = made(run)
    assert headings(tree) == ["What was run", "Speed", "Quarantine"]
    assert "No shard is finished yet" in tree.text_content()
    with pytest.raises(ConfigError, match="no finished shard"):
        made(run, gold=corpus)


def test_a_run_without_mentions(tmp_path):
    corpus = save(tmp_path / "a.xml", collection(document("1", passage("Nothing."))))
    run = make_run(tmp_path / "run", corpus)
    tree = made(run)
    assert "This run has no mentions" in tree.text_content()
    assert headings(tree) == ["What was run", "Speed", "Quarantine"]
    with pytest.raises(ConfigError, match="no mentions to compare"):
        made(run, gold=corpus)


def test_gold_of_other_documents_is_refused(run, tmp_path):
    other = save(tmp_path / "g.xml", collection(document("other", passage("Anemia", mention("Anemia", 0, gold="D1")))))
    with pytest.raises(MismatchError, match="no document id is in both"):
        made(run, gold=other)


def test_ten_thousand_types_are_cut(tmp_path):
    text = "Anemia " * 10_000
    mentions = [mention("Anemia", 7 * n, f"type {n}") for n in range(10_000)]
    corpus = save(tmp_path / "a.xml", collection(document("1", passage(text, *mentions))))
    tree = made(make_run(tmp_path / "run", corpus))
    rows = table(tree, "Mentions by type")
    assert len(rows) == 31
    assert rows[-1][:2] == ["9,970 others", "9,970"]
    assert "50,000 more characters" in tree.text_content()


def test_an_ontology_that_is_gone_is_said(corpus, tmp_path):
    run = make_run(tmp_path / "run", corpus)
    (tmp_path / "ontology.arrow").unlink()
    tree = made(run)
    assert "Definitions, and names of gold concepts, aren't shown" in tree.text_content()
    assert text_data(tree)["concepts"]["D1"] == ["Anemia", ""]


def test_what_holds_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no run"):
        made(tmp_path)
    with pytest.raises(ConfigError, match=r"must end in \.html"):
        ReportConfig(str(tmp_path), out="x.txt")
    for name in ("A.HTML", "s3://b/r.htm?endpoint_override=x"):
        assert ReportConfig(str(tmp_path), out=name).page.endswith(name)
    with pytest.raises(ConfigError, match="goes with --gold"):
        ReportConfig(str(tmp_path), policy="all")


def test_a_run_on_an_object_store(corpus, tmp_path, endpoint):
    from raybel.files import storage

    run = make_run(tmp_path / "run", corpus)
    stored = endpoint("report/run")
    for name in storage.names(run.uri):
        storage.publish(storage.join(stored, name), storage.read_bytes(storage.join(run.uri, name)))
    page = write.write_report(ReportConfig(stored))
    content = storage.read_bytes(page).decode()
    assert "5 of 6 mentions are linked" in content
    assert "secret" not in content
    assert "<title>Run run</title>" in content


def test_a_page_links_to_those_of_its_models(corpus, tmp_path):
    (tmp_path / "ngrams").mkdir()
    (tmp_path / "ngrams/report.html").write_text("x")
    run = make_run(tmp_path / "runs", corpus)
    tree = made(run, out=str(tmp_path / "pages/run.html"))
    assert tree.xpath("//nav[@class='related']//a/@href") == ["../ngrams/report.html"]


def test_rates_are_of_the_start_that_did_the_work(corpus, tmp_path):
    run = make_run(tmp_path / "run", corpus)
    idle = {**read_progress(run), "own": {"documents": 0, "mentions": 0}, "seconds": 0.001}
    write_progress(run, idle)  # the same command again, which finds all done
    about = facts(made(run))
    assert (about["time"], about["documents"]) == ("20 s", "5")
    assert "4, 0.2 a second" in [each.text_content() for each in made(run).iter("dd")]


def test_gold_whose_offsets_are_counted_otherwise_is_joined_as_evaluate_does(tmp_path):
    corpus = save(tmp_path / "a.xml", collection(document("1", passage("Anemia.", mention("Anemia", 0, name="T")))))
    shifted = passage("   Anemia.", mention("Anemia", 3, gold="D1").replace('"T3"', '"T0"'))
    gold = save(tmp_path / "g.xml", collection(document("1", shifted)))
    tree = made(make_run(tmp_path / "run", corpus), gold=gold, bootstrap=0)
    assert "Acc@1 is 100.0 %" in tree.xpath("string(//header)")
    assert dict(table(tree, "What became of the 1 mention")) == {"right": "1"}
    assert [each["state"] for each in text_data(tree)["mentions"]] == ["right"]


def test_two_annotations_of_one_span_are_told_apart_by_their_ids(tmp_path):
    both = [mention("Anemia", 0, gold=gold, name=name) for gold, name in (("D1", "A"), ("D2", "B"))]
    corpus = save(tmp_path / "a.xml", collection(document("1", passage("Anemia.", *both))))
    turned = save(tmp_path / "g.xml", collection(document("1", passage("Anemia.", *reversed(both)))))
    run = make_run(tmp_path / "run", corpus)
    for gold in (corpus, turned):
        tree = made(run, gold=gold, bootstrap=0)
        assert "Acc@1 is 50.0 %" in tree.xpath("string(//header)")
        states = [(each["gold"], each["state"]) for each in text_data(tree)["mentions"]]
        assert sorted(states) == [(["D1"], "right"), (["D2"], "wrong")]


def test_what_is_left_out_of_linked_text_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(sampling, "MOST_CANDIDATES", 1)
    text = "Anemia " * 203
    crowded = document("1", passage(text, *(mention("Anemia", 7 * n) for n in range(203))))
    tree = made(make_run(tmp_path / "run", save(tmp_path / "a.xml", collection(crowded))))
    assert "3 more mentions aren’t marked." in tree.text_content()
    assert "A mention has its first 1 candidate" in tree.text_content()
    assert {len(each["ranking"]) for each in text_data(tree)["mentions"]} == {1}


def test_no_shorter_document_is_preferred_to_one_that_was_drawn(tmp_path, monkeypatch):
    sizes = {str(number): 10 * number for number in range(1, 9)}
    texts = {name: "Anemia".ljust(size, "x") for name, size in sizes.items()}
    documents = [document(name, passage(text, mention("Anemia", 0))) for name, text in texts.items()]
    run = make_run(tmp_path / "run", save(tmp_path / "a.xml", collection(*documents)))
    every = [each.doc_id for each in sampling.sample_documents(run, None, 0).documents]
    assert sorted(every) == sorted(sizes)
    for most in (40, 100, 200):
        monkeypatch.setattr(sampling, "MOST_TEXT", most)
        drawn = [each.doc_id for each in sampling.sample_documents(run, None, 0).documents]
        assert drawn == every[: len(drawn)]


@pytest.mark.parametrize("folder", ["documents", "mentions"])
def test_a_table_that_is_gone_or_damaged_is_an_error_that_names_it(corpus, tmp_path, folder):
    run = make_run(tmp_path / "run", corpus)
    (found,) = (tmp_path / "run" / folder).glob("*.parquet")
    for spoil in (lambda: found.write_bytes(b"no table"), found.unlink):
        spoil()
        with pytest.raises(InputError, match=rf"{found.name}.*can't be read"):
            made(run)


def test_a_pipeline_that_hasnt_begun_to_link_and_an_array_are_told_apart(corpus, tmp_path):
    (tmp_path / "pipeline").mkdir()
    Path(PipelineDirectory(str(tmp_path / "pipeline")).options_file).write_text('{"identity": {}}')
    with pytest.raises(InputError, match="hasn't begun to link"):
        made(tmp_path / "pipeline")
    names = [f"{number:04d}-of-0005" for number in range(5)]
    for name in names:
        make_run(tmp_path / "array" / name, corpus, finished=False, shards=False)
    save(tmp_path / "array" / FILES, "a.xml")
    with pytest.raises(InputError, match=rf"job array.*{', '.join(names[:3])}, and 2 more"):
        made(tmp_path / "array")


def test_the_parts_of_a_confused_composite_have_names_of_their_own():
    predicted = linked({"link_id": "D1|D%7C2", "parts": [{"link_id": "D1"}, {"link_id": None}, {"link_id": "D|2"}]})
    assert predicted == ("D1", "D|2")
    assert linked({"link_id": "D|2", "parts": None}) == ("D|2",)
    shown = concept_words(predicted, {"D1": ConceptText("Anemia"), "D|2": ConceptText("Asthma")})
    assert parser.fromstring(shown).text_content() == "Anemia, Asthma D1|D%7C2"


def test_many_types_of_found_mentions_are_cut_by_type(tmp_path):
    from raybel.evaluation.config import EvaluateConfig
    from raybel.evaluation.evaluate_spans import evaluate_spans
    from raybel.report.page import Page
    from raybel.report.quality_section import MOST_GROUPS, spans_section

    text = "Anemia " * 60
    marks = [mention("Anemia", 7 * n, f"type {n:02d}", gold="D1") for n in range(60)]
    corpus = save(tmp_path / "a.xml", collection(document("1", passage(text, *marks))))
    run = make_run(tmp_path / "run", corpus)
    spans = evaluate_spans(EvaluateConfig((corpus,), (run.uri,), spans=True, bootstrap=0))
    tree = parser.document_fromstring(Page("x", [spans_section(spans)]).html())
    kinds = [row[0] for row in table(tree, "Precision, recall and F1")]
    assert {kinds.count(kind) for kind in kinds} == {len(kinds) // (MOST_GROUPS + 1)}
    assert len(set(kinds)) == MOST_GROUPS + 1
    assert "Not shown: 36 types with fewer mentions; `raybel evaluate --spans` has all." in tree.text_content()
