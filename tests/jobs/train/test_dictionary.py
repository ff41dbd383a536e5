import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from samples import annotation, collection, document, passage, save

from raybel.cli import main
from raybel.config import MentionOptions
from raybel.detection.dictionary import Dictionary
from raybel.errors import InputError
from raybel.jobs.train.config import TrainDictionaryConfig
from raybel.jobs.train.dictionary import train_dictionary

TEXT = "Anemia in mice with droopy lids"


@pytest.fixture
def corpus(tmp_path):
    spots = [annotation("Anemia", (10, 6), type="Disease", concept_id="D1")]
    spots.append(annotation("mice", (20, 4), name="T2", type="Species", concept_id="X"))
    spots.append(annotation("droopy lids", (30, 11), name="T3", type="Disease", concept_id="-1"))
    spots.append(annotation("Anemia lids", (10, 6), (37, 4), name="T4", type="Disease", concept_id="D2"))
    return save(tmp_path / "corpus.xml", collection(document("1", passage(TEXT, *spots, offset=10))))


def found(home: str, text: str = TEXT) -> list[tuple[str, str]]:
    return [(text[each.start : each.end], each.type) for each in Dictionary.load(home).detect([[text]])[0][0]]


def test_only_mentions_of_the_types_that_count_become_names(model, corpus, tmp_path):
    diseases, every = str(tmp_path / "diseases"), str(tmp_path / "every")
    trained = train_dictionary(
        TrainDictionaryConfig(model.ontology, diseases, (corpus,), mentions=MentionOptions(mention_types=("Disease",)))
    )
    assert (trained.documents, trained.mentions, trained.types) == (1, 2, ("Disease",))
    other = train_dictionary(TrainDictionaryConfig(model.ontology, every, (corpus,)))
    assert found(diseases) == [("Anemia", "Disease"), ("droopy lids", "Disease")]
    assert found(every) == [("Anemia", "Disease"), ("mice", "Species"), ("droopy lids", "Disease")]
    assert trained.fingerprint != other.fingerprint


def test_a_corpus_without_mentions_of_the_types_is_an_error(model, corpus, tmp_path):
    options = MentionOptions(mention_types=("Gene",))
    with pytest.raises(InputError, match="no mention of the types Gene to learn from"):
        train_dictionary(TrainDictionaryConfig(model.ontology, str(tmp_path / "d"), (corpus,), mentions=options))
    assert not (tmp_path / "d").exists()


def test_what_it_finds_of_validation_corpora_is_scored_by_type(model, corpus, tmp_path):
    spots = [annotation("Anemia", (0, 6), type="Disease"), annotation("owls", (10, 4), name="T2", type="Species")]
    spots += [annotation("Anemia", (0, 6), name="T3", type="Finding")]
    other = save(tmp_path / "val.xml", collection(document("2", passage("Anemia in owls, mice and Anemia", *spots))))
    figures = str(tmp_path / "figures.json")
    config = TrainDictionaryConfig(
        model.ontology,
        str(tmp_path / "d"),
        (corpus,),
        (corpus, other),
        type_names=("Finding=Other",),
        mentions=MentionOptions(mention_types=("Disease", "Species")),
        metric_file=figures,
    )
    trained = train_dictionary(config)
    first, second = trained.validation["by_corpus"]
    assert {kind: tuple(scores.values()) for kind, scores in second.items()} == {
        "Disease": (1 / 2, 1.0, pytest.approx(2 / 3)),
        "Species": (0.0, 0.0, 0.0),  # mice are found, and owls are gold
        "all": (1 / 3, 1 / 2, pytest.approx(2 / 5)),
    }
    assert first["Disease"]["recall"] == pytest.approx(2 / 3)  # the mention of several pieces isn't found
    assert trained.validation["scores"]["Species"] == {"precision": 0.5, "recall": 0.5, "F1": 0.5}
    assert [each["mentions"] for each in trained.validation["corpora"]] == [
        {"Disease": 3, "Species": 1},
        {"Disease": 1, "Species": 1},
    ]
    assert json.loads((tmp_path / "d/config.json").read_text())["validation"] == trained.validation
    assert json.loads((tmp_path / "figures.json").read_text())["validation"] == trained.validation
    without = train_dictionary(replace(config, output_dir=str(tmp_path / "e"), val_corpus=()))
    assert (without.validation, without.fingerprint) == (None, trained.fingerprint)

    one_type = train_dictionary(replace(config, output_dir=str(tmp_path / "f"), type="Thing"))
    assert one_type.validation["by_corpus"][1] == {
        "Thing": {"precision": 1 / 3, "recall": 1 / 2, "F1": pytest.approx(2 / 5)},
        "all": {"precision": 1 / 3, "recall": 1 / 2, "F1": pytest.approx(2 / 5)},
    }
    assert one_type.validation["corpora"][1]["types"] == ["Thing"]


def test_the_command(model, corpus, tmp_path):
    home, figures = str(tmp_path / "d"), str(tmp_path / "figures.json")
    options = ["--ontology", model.ontology, "--output-dir", home, "--type", "Sickness", "--metric-file", figures]
    ran = CliRunner().invoke(main, ["train", "dictionary", *options], catch_exceptions=False)
    assert ran.exit_code == 0
    assert "finds: Sickness" in ran.output
    assert found(home) == [("Anemia", "Sickness")]
    config = json.loads((tmp_path / "d/config.json").read_text())
    assert config["parameters"]["type"] == "Sickness"
    assert config["facts"] == json.loads((tmp_path / "figures.json").read_text())["facts"]
    ran = CliRunner().invoke(
        main, ["train", "dictionary", *options[:4], "--train-corpus", corpus, "--val-corpus", corpus]
    )
    assert "1 training document, 3 mentions" in ran.output
    lines = [line.split() for line in ran.output.splitlines()]
    (species,) = [line for line in lines if "Species" in line and "100.0" in line]
    assert species[-3:] == ["100.0", "100.0", "100.0"]
