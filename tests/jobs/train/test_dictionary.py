import json

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
    ran = CliRunner().invoke(main, ["train", "dictionary", *options[:4], "--train-corpus", corpus])
    assert "1 training document, 3 mentions" in ran.output
