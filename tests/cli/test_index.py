import json

import pytest
import ray
from click.testing import CliRunner
from ray_fixture import three_files

from raybel.cli import main
from raybel.cli.progress import embedding, training
from raybel.jobs.index.config import Embedding


def run(*arguments):
    return CliRunner().invoke(main, [str(each) for each in arguments])


def test_index_then_link(local_ray, model, encoder, tmp_path):
    corpus = three_files(tmp_path / "corpus")
    made = run(
        *("index", "dense", "--ontology", model.ontology, "--model_name", encoder, "--out_index", tmp_path / "i"),
        *("--val-corpus", corpus / "c.json", "--metric-file", tmp_path / "m.json", "--out_vectors", tmp_path / "v.npy"),
    )
    assert made.exit_code == 0, made.output
    words = " ".join(made.stdout.split())
    for said in ("distinct strings 9", "embedded now 9", "components of a vector 16", "index flat", "recall@10"):
        assert said in words
    assert json.loads((tmp_path / "m.json").read_text())["embedded"] == 9
    assert (tmp_path / "v.npy").exists()
    done = run(
        *("link", corpus, "--out-corpus", tmp_path / "run", "--ontology", model.ontology),
        *("--dense-index", tmp_path / "i", "--ngrams-model", model.ngrams),
    )
    assert done.exit_code == 0, done.output
    assert "linked 36" in " ".join(done.stdout.split())
    looked = run(
        *("lookup", "--in-corpus", corpus, "--ontology", model.ontology, "--dense-index", tmp_path / "i"),
        *("--output", tmp_path / "l.json.gz"),
    )
    assert looked.exit_code == 0, looked.output


@pytest.mark.parametrize(
    "command",
    [
        ("index", "dense", "--out-index", "i"),
        ("index", "dense", "--out-index", "i", "--model-name", "./none"),
        ("train", "sapbert", "--output-dir", "o"),
        ("train", "sapbert", "--output-dir", "o", "--base-model", "./none"),
    ],
)
def test_no_such_model_is_told_before_ray_starts(model, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)

    def started(*_args, **_more):
        raise AssertionError("Ray was started")

    monkeypatch.setattr(ray, "init", started)
    told = run(*command, "--ontology", model.ontology)
    assert told.exit_code == 1
    assert "model" in told.stderr
    assert "Traceback" not in told.output


def test_wrong_params_are_named(model, encoder, tmp_path):
    for content, said in (({"sapbert": {"lr": 1}}, "unknown sapbert parameters: lr"), ({"ngrams": {}}, "no key")):
        (tmp_path / "p.json").write_text(json.dumps(content))
        told = run(
            *("train", "sapbert", "--ontology", model.ontology, "--base-model", encoder),
            *("--output-dir", tmp_path / "o", "--params", tmp_path / "p.json"),
        )
        assert told.exit_code == 1
        assert said in told.stderr


def test_two_generators_or_a_lookup(model, tmp_path):
    told = run(
        *("link", "x", "--out-corpus", tmp_path / "run", "--ontology", model.ontology),
        *("--dense-index", "i", "--candidates-lookup", "l"),
    )
    assert told.exit_code == 1
    assert "give a generator" in told.stderr


def test_lines_of_progress():
    assert embedding(Embedding(10)).startswith("embed: chunks 0/10, 0 strings")
    line = embedding(Embedding(10, chunks_before=2, chunks=4, strings=40))
    assert line.startswith("embed: chunks 6/10, 40 strings (")
    assert line.endswith("left")
    state = {"stage": "synonyms", "epoch": 1, "epochs": 2, "step": 3, "steps": 9, "loss": 0.5}
    assert training(state) == "train: synonyms, epoch 1/2, step 3/9, loss 0.5000"
