import json
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from killed_training import killed_within_its_epoch, known_checkpoint
from ray_fixture import command, three_files, wait_for
from safetensors.torch import load_file, save_file
from tiny_model import make_encoder

from raybel.candidates.training.parameters import AlignmentParameters
from raybel.encoders.pretrained import pooling_of
from raybel.encoders.text_encoder import TextEncoder
from raybel.errors import ConfigError, LockedError, RaybelError
from raybel.files.locks import lock
from raybel.jobs.status import status
from raybel.jobs.train.config import TrainSapbertConfig, Workers
from raybel.jobs.train.sapbert import train_sapbert
from raybel.ontology import Concept, Ontology

PARAMETERS = AlignmentParameters(
    synonym_learning_rate=1e-2, mention_learning_rate=1e-2, pairs=12, batch_size=4, average=1.0, mention_epochs=2
)


@pytest.fixture(scope="module")
def made(local_ray, model, encoder, tmp_path_factory):
    corpus = three_files(tmp_path_factory.mktemp("sapbert_corpus"))
    config = TrainSapbertConfig(
        model.ontology,
        str(tmp_path_factory.mktemp("sapbert") / "out"),
        str(encoder),
        (str(corpus / "c.json"),),
        (str(corpus / "c.json"),),
        "mean",
        PARAMETERS,
    )
    seen = []
    return config, train_sapbert(config, seen.append), seen


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_what_training_leaves(made, tmp_path):
    config, done, seen = made
    stages = [("synonyms", 1), ("mentions", 1), ("mentions", 2)]
    assert [(each["stage"], each["epoch"]) for each in done.epochs] == stages
    assert all(np.isfinite(each["loss"]) for each in done.epochs)
    assert set(done.scores) == {"with_training_aliases", "without_training_aliases"}
    assert seen
    assert seen[0]["stage"] in ("synonyms", "mentions")
    home = Path(config.output_dir)
    held = names(home)
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md", "raybel.json"} <= set(held)
    assert not [name for name in held if name.startswith(("base/", "checkpoints/"))]
    assert pooling_of(config.output_dir) == "mean"
    model_status = status(config.output_dir)
    assert (model_status.state, model_status.figures[0]) == ("finished", ("epochs", 3))
    assert "Recall on the validation corpus" in (home / "README.md").read_text()
    one, other = (TextEncoder.load(path).encode(["anemia"]) for path in (config.base_model, config.output_dir))
    assert np.abs(one - other).max() > 1e-3


def test_again_does_nothing(made):
    config, done, _ = made
    again = train_sapbert(config)
    assert (again.resumed, again.epochs, again.scores) == (3, done.epochs, done.scores)


def test_another_configuration_is_refused(made):
    config, _, _ = made
    with pytest.raises(ConfigError, match=r"another configuration \(seed: 0 there, 1 now\)"):
        train_sapbert(replace(config, seed=1))


@pytest.mark.bench  # the cross-encoder's, whose driver is interrupted, runs always
def test_a_killed_driver_goes_on_and_ends_in_the_same_bytes(made, tmp_path):
    config, done, _ = made
    (tmp_path / "p.json").write_text(json.dumps({"sapbert": vars(PARAMETERS)}))
    out = tmp_path / "out"
    arguments = [
        *("train", "sapbert", "--ontology", config.ontology, "--output-dir", out, "--base-model", config.base_model),
        *("--train-corpus", config.train_corpus[0], "--val-corpus", config.val_corpus[0], "--pooling", "mean"),
        *("--params", tmp_path / "p.json"),
    ]
    with command(*arguments) as process:
        wait_for(lambda: known_checkpoint(out), process)
        process.send_signal(signal.SIGKILL)
    assert (
        not (out / "model.safetensors").exists() or json.loads((out / "raybel.json").read_text())["finished"] is False
    )
    again = train_sapbert(replace(config, output_dir=str(out)))
    assert again.resumed >= 1
    assert [each["loss"] for each in again.epochs] == [each["loss"] for each in done.epochs]
    assert (out / "model.safetensors").read_bytes() == (Path(config.output_dir) / "model.safetensors").read_bytes()


@pytest.mark.bench
@pytest.mark.timeout(900)
def test_a_killed_worker_goes_on_within_its_epoch(made, tmp_path):
    config, _, _ = made
    concepts = [Concept(f"X{number}", f"name {number}", [f"synonym {number}"]) for number in range(1_500)]
    Ontology.from_concepts(concepts).save(str(tmp_path / "o.arrow"))
    many = replace(
        config,
        ontology=str(tmp_path / "o.arrow"),
        train_corpus=(),
        val_corpus=(),
        parameters=replace(PARAMETERS, pairs=3_000, batch_size=2),
        workers=Workers(1, checkpoint_seconds=0.5),
    )
    whole = train_sapbert(replace(many, output_dir=str(tmp_path / "whole")))
    again = killed_within_its_epoch(train_sapbert, many, tmp_path / "killed")
    assert [each["loss"] for each in again.epochs] == [each["loss"] for each in whole.epochs]
    weights = [tmp_path / name / "model.safetensors" for name in ("killed", "whole")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


@pytest.mark.bench
def test_two_workers_average_their_gradients(made, tmp_path):
    config, _, _ = made
    done = train_sapbert(
        replace(
            config,
            output_dir=str(tmp_path / "two"),
            workers=Workers(2),
            parameters=replace(PARAMETERS, mention_epochs=0),
        )
    )
    assert len(done.epochs) == 1
    assert np.isfinite(done.epochs[0]["loss"])


@pytest.mark.bench
def test_a_loss_that_is_no_number(made, tmp_path):
    config, _, _ = made
    home = make_encoder(tmp_path / "broken")
    weights = load_file(home / "model.safetensors")
    weights["encoder.layer.0.output.dense.weight"][:] = 1e30
    save_file(weights, home / "model.safetensors", {"format": "pt"})
    with pytest.raises(RaybelError, match=r"the loss isn't a number"):
        train_sapbert(
            replace(config, output_dir=str(tmp_path / "out"), base_model=str(home), workers=Workers(max_failures=0))
        )


def test_bad_settings(made, tmp_path):
    config, _, _ = made
    with pytest.raises(ConfigError, match="nothing to train"):
        replace(config, train_corpus=(), parameters=replace(PARAMETERS, synonym_epochs=0))
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="something other than"):
        train_sapbert(replace(config, output_dir=str(tmp_path)))
    with pytest.raises(ConfigError, match="workers with a CPU each"):
        train_sapbert(replace(config, output_dir=str(tmp_path / "many"), workers=Workers(50)))
    assert not (tmp_path / "many").exists()
    with lock(config.output_dir), pytest.raises(LockedError):
        train_sapbert(config)
