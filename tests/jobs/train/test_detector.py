import json
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from killed_training import killed_within_its_epoch, known_checkpoint
from ray_fixture import command, corpus_of, wait_for
from safetensors.torch import load_file, save_file
from samples import annotation, collection, document, passage, save
from tiny_model import make_encoder
from transformers import AutoModelForTokenClassification, AutoTokenizer

from raybel.detection.base import Detection, Detector
from raybel.detection.combined import Combined
from raybel.detection.token_classifier import TokenClassifier
from raybel.detection.training.parameters import DetectorParameters
from raybel.errors import ConfigError, InputError, LockedError, RaybelError
from raybel.files.locks import lock
from raybel.jobs.status import status
from raybel.jobs.train import detector as job
from raybel.jobs.train.config import TrainDetectorConfig, Workers
from raybel.jobs.train.detector import check_model, train_detector

PARAMETERS = DetectorParameters(learning_rate=2e-3, max_epochs=2, batch_tokens=256, context_tokens=40)
TEXTS = ("Anemia was seen.", "A case of anemia and of asthma here.", "No asthma, but aspirin.", "Aspirin helps.")


def annotated(path, kinds, times):
    """A corpus that annotates some words, each with a type of its own."""
    documents = []
    for number in range(times):
        text = TEXTS[number % len(TEXTS)]
        found = [
            annotation(text[at : at + len(word)], (at, len(word)), name=f"T{n}", type=kind)
            for n, (word, kind) in enumerate(kinds.items())
            if (at := text.lower().find(word)) >= 0
        ]
        documents.append(document(f"d{number}", passage(text, *found)))
    return save(path, collection(*documents))


@pytest.fixture(scope="module")
def made(local_ray, encoder, tmp_path_factory):
    """A classifier of two types, trained on two corpora of which each annotates one."""
    home = tmp_path_factory.mktemp("detector")
    diseases = annotated(home / "diseases.xml", {"anemia": "SpecificDisease", "asthma": "Modifier"}, 40)
    chemicals = annotated(home / "chemicals.xml", {"aspirin": "Chemical"}, 40)
    config = TrainDetectorConfig(
        str(home / "out"),
        (diseases, chemicals),
        (diseases, chemicals),
        str(encoder),
        type_names=("SpecificDisease=Disease,Modifier=Disease",),
        parameters=PARAMETERS,
    )
    seen = []
    return config, train_detector(config, seen.append), seen


class Words(Detector):
    """A dictionary that knows two words."""

    name, fingerprint, types = "dictionary", "words", ("Chemical", "Disease")

    def detect(self, documents):
        return [[self._in(text.lower()) for text in passages] for passages in documents]

    def _in(self, text):
        known = {"asthma": "Disease", "aspirin": "Chemical"}
        found = [(text.find(word), word) for word in known if word in text]
        return [Detection(at, at + len(word), known[word], 1.0, self.name) for at, word in sorted(found)]


def test_what_training_leaves(made):
    config, done, seen = made
    assert [epoch["epoch"] for epoch in done.epochs] == [1, 2]
    assert {"Chemical", "Disease", "all"} == set(done.best["scores"])
    assert [set(scores) for scores in done.best["corpora"]] == [{"Disease", "all"}, {"Chemical", "all"}]
    assert done.epochs[1]["loss"] < done.epochs[0]["loss"]
    assert [each["types"] for each in done.corpora["train"]] == [["Disease"], ["Chemical"]]
    assert done.corpora["train"][0]["mentions"] == {"Disease": 40}
    assert seen[0] == {"stage": "reading the train corpora"}
    home = Path(config.output_dir)
    held = {path.name for path in home.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md", "raybel.json"} <= held
    assert not held & {"base", "checkpoints", "features", "progress.json"}
    state = status(config.output_dir)
    assert (state.state, state.figures[0]) == ("finished", ("epochs", 2))
    card = (home / "README.md").read_text()
    assert "Mentions of Chemical, Disease" in card
    assert "| val 2 | Chemical |" in card
    plain = AutoModelForTokenClassification.from_pretrained(home)
    assert plain.config.id2label == {0: "O", 1: "B-Chemical", 2: "I-Chemical", 3: "B-Disease", 4: "I-Disease"}
    assert AutoTokenizer.from_pretrained(home).is_fast
    detector = TokenClassifier.load(config.output_dir)
    assert (detector.settings.context_tokens, detector.settings.case) == (40, True)
    assert detector.fingerprint == json.loads((home / "raybel.json").read_text())["fingerprint"]
    assert detector.detect([list(TEXTS)])


def test_again_does_nothing_but_fit_a_dictionary(made, monkeypatch):
    config, done, _ = made
    again = train_detector(config)
    assert (again.resumed, again.epochs, again.combination) == (2, done.epochs, None)
    monkeypatch.setattr(job, "Dictionary", SimpleNamespace(load=lambda path: Words()))
    fitted = train_detector(replace(config, dictionary=config.output_dir))
    assert fitted.epochs == done.epochs
    assert fitted.combination["dictionary"] == "words"
    scores = fitted.combination["scores"]
    assert scores["dictionary"]["Chemical"]["F1"] == 1
    assert scores["combined"]["all"]["F1"] >= scores["classifier"]["all"]["F1"]
    assert "With a dictionary" in (Path(config.output_dir) / "README.md").read_text()
    detector = TokenClassifier.load(config.output_dir)
    assert Combined(detector, Words()).rule.to_dict() == fitted.combination["rule"]
    assert train_detector(config).combination == fitted.combination  # it stays


def test_another_configuration_is_refused(made):
    config, _, _ = made
    with pytest.raises(ConfigError, match=r"another configuration \(seed: 0 there, 1 now\)"):
        train_detector(replace(config, seed=1))


def test_bad_settings(made, tmp_path):
    config, _, _ = made
    out = str(tmp_path / "out")
    with pytest.raises(ConfigError, match="nothing to learn from"):
        replace(config, train_corpus=())
    with pytest.raises(ConfigError, match="isn't OLD=NEW"):
        replace(config, type_names=("SpecificDisease",))
    with pytest.raises(ConfigError, match="can't become both"):
        replace(config, type_names=("A=B,A=C",))
    with pytest.raises(ConfigError, match="give --val-corpus"):
        replace(config, val_corpus=(), dictionary="x")
    with pytest.raises(InputError, match=r"chemicals.xml: has no mention of the types Disease to learn from"):
        train_detector(replace(config, output_dir=out, mention_types=("Disease",)))
    with pytest.raises(ConfigError, match=r"types that no training corpus has: Chemical"):
        train_detector(replace(config, output_dir=out, train_corpus=config.train_corpus[:1]))
    empty = save(tmp_path / "empty.xml", collection())
    with pytest.raises(InputError, match="holds no document"):
        train_detector(replace(config, output_dir=out, train_corpus=(empty,)))
    bare = save(tmp_path / "bare.xml", collection(document("d", passage("Nothing."))))
    with pytest.raises(InputError, match="has no mention"):
        train_detector(replace(config, output_dir=out, train_corpus=(bare,)))
    with pytest.raises(ConfigError, match="workers with a CPU each"):
        train_detector(replace(config, output_dir=out, workers=Workers(50)))
    assert not Path(out).exists()
    with lock(config.output_dir), pytest.raises(LockedError):
        train_detector(config)


def test_a_base_model_whose_tokenizer_gives_no_offsets(encoder, monkeypatch):
    from raybel.encoders import token_models

    class Slow:
        is_fast, model_max_length = False, 64

    load = token_models.load
    monkeypatch.setattr(token_models, "load", lambda *given, **named: (load(*given, **named)[0], Slow()))
    with pytest.raises(ConfigError, match=r"its tokenizer is a slow one"):
        check_model(str(encoder))


@pytest.mark.bench
def test_a_killed_driver_goes_on_and_ends_in_the_same_bytes(made, tmp_path):
    config, done, _ = made
    (tmp_path / "p.json").write_text(json.dumps({"detector": vars(PARAMETERS)}))
    out = tmp_path / "out"
    arguments = [
        *("train", "detector", "--output-dir", out, "--model-name", config.model_name, "--params", tmp_path / "p.json"),
        *(each for path in config.train_corpus for each in ("--train-corpus", path)),
        *(each for path in config.val_corpus for each in ("--val-corpus", path)),
        *("--type-names", "SpecificDisease=Disease,Modifier=Disease"),
    ]
    with command(*arguments) as process:
        wait_for(lambda: known_checkpoint(out), process)
        process.send_signal(signal.SIGKILL)
    again = train_detector(replace(config, output_dir=str(out)))
    assert again.resumed >= 1
    assert [each["loss"] for each in again.epochs] == [each["loss"] for each in done.epochs]
    assert (out / "model.safetensors").read_bytes() == (Path(config.output_dir) / "model.safetensors").read_bytes()


@pytest.mark.bench
@pytest.mark.timeout(900)
def test_a_killed_worker_goes_on_within_its_epoch(made, tmp_path):
    config, _, _ = made
    corpus = corpus_of(tmp_path, 1, 3_000)
    many = replace(
        config,
        train_corpus=(str(corpus / "f0.xml.gz"),),
        val_corpus=(),
        type_names=(),
        parameters=replace(PARAMETERS, max_epochs=1, mask=0.2),
        workers=Workers(1, checkpoint_seconds=0.5),
    )
    whole = train_detector(replace(many, output_dir=str(tmp_path / "whole")))
    again = killed_within_its_epoch(train_detector, many, tmp_path / "killed")
    assert [each["loss"] for each in again.epochs] == [each["loss"] for each in whole.epochs]
    weights = [tmp_path / name / "model.safetensors" for name in ("killed", "whole")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


@pytest.mark.bench
def test_a_loss_that_is_no_number(made, tmp_path):
    config, _, _ = made
    home = make_encoder(tmp_path / "broken")
    weights = load_file(home / "model.safetensors")
    weights["encoder.layer.0.output.dense.weight"][:] = 1e30
    save_file(weights, home / "model.safetensors", {"format": "pt"})
    failing = replace(config, output_dir=str(tmp_path / "out"), model_name=str(home), workers=Workers(max_failures=0))
    with pytest.raises(RaybelError, match=r"the loss is \w+ in epoch 1"):
        train_detector(failing)


@pytest.mark.bench
def test_two_workers(made, tmp_path):
    config, _, _ = made
    done = train_detector(replace(config, output_dir=str(tmp_path / "two"), workers=Workers(2)))
    assert [epoch["epoch"] for epoch in done.epochs] == [1, 2]
    assert done.best["scores"]["all"]["F1"] >= 0
