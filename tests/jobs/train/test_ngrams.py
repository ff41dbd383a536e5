import json

from ray_fixture import three_files

from raybel.candidates.ngrams import NgramGenerator
from raybel.jobs.train.config import TrainNgramsConfig
from raybel.jobs.train.ngrams import train_ngrams


def test_the_validation_corpus_leaves_scores_and_no_mark_on_the_fingerprint(model, tmp_path):
    corpus = str(three_files(tmp_path / "corpus") / "c.json")
    with_scores, without = (
        train_ngrams(TrainNgramsConfig(model.ontology, str(tmp_path / name), (corpus,), val_corpus))
        for name, val_corpus in (("a", (corpus,)), ("b", ()))
    )
    assert with_scores.fingerprint == without.fingerprint
    kept = json.loads((tmp_path / "a" / "config.json").read_text())
    assert kept["scores"] == with_scores.scores
    assert set(kept["scores"]) == {"train", "val"}
    assert NgramGenerator.load(str(tmp_path / "a")).fingerprint == kept["fingerprint"] == without.fingerprint
