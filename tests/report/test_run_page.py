import json
from pathlib import Path

import pytest
from linked_runs import make_run, mention, small_corpus
from lxml import html as parser
from samples import collection, document, passage, save

from raybel.errors import ConfigError, InputError, MismatchError
from raybel.report import write
from raybel.report.config import ReportConfig
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


def test_the_same_run_gives_the_same_page(run, tmp_path):
    pages = [write.write_report(ReportConfig(run.uri, out=str(tmp_path / name))) for name in ("a.html", "b.html")]
    assert len({Path(page).read_bytes() for page in pages}) == 1


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


def test_a_page_links_to_those_of_its_models(corpus, tmp_path):
    (tmp_path / "ngrams").mkdir()
    (tmp_path / "ngrams/report.html").write_text("x")
    run = make_run(tmp_path / "runs", corpus)
    tree = made(run, out=str(tmp_path / "pages/run.html"))
    assert tree.xpath("//nav[@class='related']//a/@href") == ["../ngrams/report.html"]
