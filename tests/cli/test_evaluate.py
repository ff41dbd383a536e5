import pytest
from click.testing import CliRunner
from rich.console import Console
from samples import annotation, collection, document, passage, save

from raybel.cli import tables
from raybel.cli.evaluate import evaluate
from raybel.ontology import Concept, Ontology

TEXT = "Gout and asthma, and gout with flu."


def corpus(path, source, *links):
    """A document with a mention of each of two types and a composite; links: each mention's, "" for gold ids."""
    ids = ["C2", "C1", "C2|C3"]
    places = [("Gout", "Disease"), ("asthma", "Chemical"), ("gout with flu", "Disease")]
    mentions = [
        annotation(
            name,
            (TEXT.index(name), len(name)),
            name=f"T{number}",
            type=kind,
            **({"all_links": links[number]} if links else {"concept_id": ids[number]}),
        )
        for number, (name, kind) in enumerate(places)
    ]
    documents = [document(str(n), passage(TEXT, *mentions)) for n in range(3)]
    return save(path, collection(*documents, head=f"<source>{source}</source><date></date><key>k</key>"))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the command on a corpus of three documents, 80 columns wide: its lines as lists of words."""
    monkeypatch.setattr(tables, "out", Console(highlight=False, width=80))
    ontology = str(tmp_path / "ontology.arrow")
    Ontology.from_concepts([Concept("C1", "asthma"), Concept("C2", "gout"), Concept("C3", "influenza")]).save(ontology)
    predicted = corpus(tmp_path / "predicted.xml", "any", "C2=.9", "C2=.9", "C3=.9|C1=.8")

    def run(*options, source="BC5CDR"):
        gold = corpus(tmp_path / "gold.xml", source)
        arguments = ["--gold-corpus", gold, "--pred-corpus", predicted, "--ontology", ontology, *options]
        result = CliRunner().invoke(evaluate, arguments, standalone_mode=False)
        if result.exception:
            raise result.exception
        text = result.output
        assert max(map(len, text.splitlines())) <= 80
        return text, [line.split() for line in text.splitlines()]

    return run


def test_one_policy_has_the_table_of_groups(run):
    text, lines = run("--policy", "all")
    assert "Scores in %" in text
    assert ["all", "33.3", "33.3", "33.3", "33.3", "33.3"] in lines
    assert ["Disease", "50.0", "50.0", "50.0", "50.0", "50.0"] in lines
    assert "published" not in text.lower()


def test_runs_are_named_without_an_option_too(tmp_path):
    ontology = str(tmp_path / "ontology.arrow")
    Ontology.from_concepts([Concept("C1", "asthma"), Concept("C2", "gout")]).save(ontology)
    gold = corpus(tmp_path / "gold.xml", "any")
    run = corpus(tmp_path / "predicted.xml", "any", "C2=.9", "C2=.9", "C1=.8")
    arguments = ["--gold-corpus", gold, "--ontology", ontology, "--bootstrap", "0"]
    named = CliRunner().invoke(evaluate, [*arguments, "--pred-corpus", run])
    assert CliRunner().invoke(evaluate, [run, *arguments]).output == named.output
    assert "50.0" in named.output
    without = CliRunner().invoke(evaluate, arguments)
    assert without.exit_code == 2
    assert "Missing option '--pred-corpus'" in without.output


def test_several_policies_have_a_row_each_and_a_column_each(run):
    text, lines = run("--policy", "linkable,belb", "--policy", "biosyn")
    assert "Scores in %, by policy" in text
    assert ["linkable", *["50.0"] * 5] in lines
    assert ["6", "mentions", *["[50.0–50.0]"] * 5] in lines
    assert ["belb", *["66.7"] * 5] in lines
    assert ["biosyn", *["33.3"] * 5] in lines
    assert "Acc@1 in %, by group and policy" in text
    assert ["linkable", "belb", "biosyn"] in lines
    assert ["Disease", "100.0", "100.0", "50.0"] in lines
    assert ["(3)", "(6)", "(6)"] in lines
    assert ["Chemical", "0.0", "0.0", "0.0"] in lines


def test_groups_without_a_mention_under_a_policy_are_shown(run, tmp_path):
    train = corpus(tmp_path / "train.xml", "any")
    with_train = ("--policy", "linkable,all", "--train-corpus", train)
    _, lines = run(*with_train)
    assert ["surface", "unseen", "(0)", "(0)"] in lines


def test_published_figures_stand_beside_ours_of_the_same_policy(run):
    text, _ = run("--policy", "every")
    shown = " ".join(text.split())
    assert "Acc@1 in % beside other systems' published figures" in shown
    assert "Disease belb 100.0 [100–100] BELHD 89.2" in shown
    assert "Chemical belb 0.0 [0.0–0.0] GenBioEL 94.6" in shown
    assert "Disease biosyn 50.0 [50.0–50.0] BioSyn with SapBERT 93.5" in shown
    assert "on the test split of BC5CDR" in shown
    assert "not measured here" in shown
    assert "6 Disease (test split: 4,424), 3 Chemical (test split: 5,385)" in shown
    assert "it isn't that split" in shown


def test_figures_are_shown_only_of_the_corpus_that_they_are_of(run):
    assert "published" not in run("--policy", "belb", source="mine")[0].lower()
    assert "published" not in run("--policy", "belb", "--anchors", "none")[0].lower()
    named = " ".join(run("--policy", "belb", "--anchors", "ncbi-disease", source="mine")[0].split())
    assert "all belb 66.7 [66.7–66.7] BELHD 87.6, GenBioEL 83.9, BioSyn 80.8" in named


def test_why_there_are_no_figures_is_said_where_they_are_asked_for(run):
    text, _ = run("--policy", "belb", "--anchors", "bc5cdr", "--type-infon", "other")
    assert "--anchors bc5cdr: no gold mention has the type Disease or Chemical." in " ".join(text.split())
