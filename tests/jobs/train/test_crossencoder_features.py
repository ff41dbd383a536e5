"""A chunk's features as an actor makes them, and as training reads them; without Ray."""

import pyarrow as pa
import pytest
from samples import annotation, chunks, collection, document, passage, save
from transformers import AutoTokenizer

from raybel.candidates.ngrams import NgramGenerator
from raybel.candidates.parameters import NgramParameters
from raybel.config import GeneratorPaths, MentionOptions, Resources
from raybel.errors import ConfigError
from raybel.jobs.runtime import Allocation
from raybel.jobs.train.config import TrainCrossEncoderConfig
from raybel.jobs.train.crossencoder_features import FeatureConfig, FeatureStage, Split, with_sure_rule
from raybel.jobs.tune.crossencoder_trial import FEATURE_PARAMETERS, feature_key
from raybel.ontology import Concept, Ontology
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.training.features import Features

ONTOLOGY = Ontology.from_concepts(
    [
        Concept("D0", "anemia", ["low blood"], "Too few cells."),
        Concept("D1", "renal anemia", parents=["D0"]),
        Concept("D2", "aplastic anemia", parents=["D0"]),
    ]
)
#: A document for each: what it says, and the concept that it means.
SAID = [("anemia", "D0"), ("renal anemia", "D1"), ("aplastic anemias", "D2"), ("weakness", "D0"), ("weakness", "D1")]


@pytest.fixture(scope="module")
def home(tmp_path_factory, encoder):
    """The directory of a corpus, an ontology, and a generator that has the corpus's mentions."""
    where = tmp_path_factory.mktemp("features")
    documents = [
        document(str(number), passage(f"The {text} here.", annotation(text, (4, len(text)), concept_id=concept_id)))
        for number, (text, concept_id) in enumerate(SAID)
    ]
    save(where / "corpus.xml", collection(*documents))
    ONTOLOGY.save(str(where / "ontology.arrow"))
    pairs = [(text, int(concept_id[1:])) for text, concept_id in SAID]
    NgramGenerator.build(Ontology.open(str(where / "ontology.arrow")), NgramParameters(), pairs).save(
        str(where / "ngrams")
    )
    return where


def made(home, encoder, folder, scopes=("cross_fitted", "dictionary"), rule=False, **parameters):
    """What is counted, and each mention's features by its number."""
    config = FeatureConfig(
        str(folder),
        str(home / "ontology.arrow"),
        GeneratorPaths(ngrams_model=str(home / "ngrams")),
        str(encoder),
        512,
        CrossEncoderParameters(top_k=3, score_token=False, **parameters),
        MentionOptions(),
        Resources(),
    )
    corpus = (str(home / "corpus.xml"),)
    splits = [Split("train", corpus, scopes)]
    if rule:
        splits = with_sure_rule(config, splits, Ontology.open(config.ontology), corpus)
    (chunk,) = chunks(*corpus, sentences=True)
    place = chunk.schema.get_field_index("shard")
    chunk = chunk.set_column(place, "shard", pa.array(["train.00000"]))
    counts = FeatureStage(config, {"train": splits[0]}, Allocation(1, 1, 1))(chunk).to_pylist()[0]
    features = Features(str(folder), "train")
    return counts, [mention for number in range(len(features)) for mention in features.document(number)]


def test_what_is_shown_reaches_training(home, encoder, tmp_path):
    counts, mentions = made(home, encoder, tmp_path, further_names=3, definition=99, parents=1)
    assert (counts["mentions"], counts["cut"], counts["sure"]) == (5, 0, 0)
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    shown = [tokenizer.decode(ids).replace(" ", "") for ids in mentions[0].cross_fitted.candidates]
    assert shown[0] == "anemia;lowblood;weakness:toofewcells."
    assert {"renalanemia;weakness<anemia", "aplasticanemia;aplasticanemias<anemia"} == set(shown[1:])
    names_alone = [tokenizer.decode(ids).replace(" ", "") for ids in mentions[0].dictionary.candidates]
    assert names_alone[0] == "anemia;lowblood:toofewcells."
    of_its_own = [tokenizer.decode(ids).replace(" ", "") for ids in mentions[2].cross_fitted.candidates]
    assert not [each for each in of_its_own if "anemias" in each]


def test_siblings_of_the_right_candidate(home, encoder, tmp_path):
    _, mentions = made(home, encoder, tmp_path)
    right = mentions[1].cross_fitted
    assert right.gold == 0
    assert sorted(right.siblings) == [False, False, True]
    assert mentions[0].cross_fitted.siblings == []


def test_sure_mentions_are_counted_and_marked(home, encoder, tmp_path):
    counts, mentions = made(home, encoder, tmp_path, rule=True, train_on="unsure")
    assert counts["sure"] == sum(mention.cross_fitted.sure for mention in mentions)
    assert counts["sure_by_names"] == sum(mention.dictionary.sure for mention in mentions)
    assert 0 < counts["sure"] < 5
    assert mentions[1].cross_fitted.sure  # a name of one concept alone
    assert not mentions[2].cross_fitted.sure  # once its own document doesn't count, nothing is called so


def test_what_is_sure_takes_a_validation_corpus():
    unsure = CrossEncoderParameters(train_on="unsure")
    with pytest.raises(ConfigError, match="give --val-corpus"):
        TrainCrossEncoderConfig("o", "m", ("c",), GeneratorPaths(ngrams_model="n"), parameters=unsure)


def test_features_are_shared_by_hyperparameters_that_make_the_same():
    keys = {feature_key(CrossEncoderParameters(), True)}
    for name, value in [
        *(("context", "passage"), ("max_length", 64), ("alias", False), ("further_names", 1), ("concept_type", True)),
        *(("parents", 1), ("definition", 8), ("frequency_token", True), ("prior", False), ("train_on", "unsure")),
    ]:
        assert name in FEATURE_PARAMETERS
        keys.add(feature_key(CrossEncoderParameters().changed({name: value}), True))
    assert len(keys) == 1 + len(FEATURE_PARAMETERS)
    assert feature_key(CrossEncoderParameters(sure_share=0.5, sibling_margin=1.0), True) in keys
    assert feature_key(CrossEncoderParameters(top_k=3), True) not in keys
    assert feature_key(CrossEncoderParameters(top_k=3), False) == feature_key(CrossEncoderParameters(), False)
