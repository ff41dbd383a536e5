import json

import pytest
import ray
from click.testing import CliRunner
from ray_fixture import three_files
from samples import collection, save, simple_document

from raybel.cli import main
from raybel.cli.progress import embedding, training
from raybel.jobs.index.config import Embedding


def run(*arguments):
    return CliRunner().invoke(main, [str(each) for each in arguments])


@pytest.mark.bench
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


@pytest.mark.parametrize(
    "command",
    [
        ("index", "dense", "--out-index", "i"),
        ("index", "dense", "--out-index", "i", "--model-name", "./none"),
        ("train", "sapbert", "--output-dir", "o"),
        ("train", "sapbert", "--output-dir", "o", "--base-model", "./none"),
    ],
)
def test_no_such_model_is_done_before_ray_starts(model, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)

    def started(*_args, **_more):
        raise AssertionError("Ray was started")

    monkeypatch.setattr(ray, "init", started)
    done = run(*command, "--ontology", model.ontology)
    assert done.exit_code == 1
    assert "model" in done.stderr
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (("link", "--out-corpus", "o"), "--in-corpus"),
        (("lookup", "--output", "o"), "--in-corpus"),
        (("index", "dense", "--out-index", "o"), "--val-corpus"),
        (("train", "sapbert", "--output-dir", "o"), "--train-corpus"),
        (("train", "crossencoder", "--output-dir", "o"), "--train-corpus"),
        (("tune", "ngrams", "--val-corpus", "c.xml", "--output-dir", "o"), "--train-corpus"),
        (("tune", "crossencoder", "--val-corpus", "c.xml", "--output-dir", "o"), "--train-corpus"),
    ],
)
def test_a_corpus_that_is_not_there_is_refused_before_ray_starts(
    model, encoder, tmp_path, monkeypatch, command, option
):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "c.xml", collection(simple_document("1")))

    def started(*_args, **_more):
        raise AssertionError("Ray was started")

    monkeypatch.setattr(ray, "init", started)
    given = ["--ontology", model.ontology, option, "none.xml"]
    if command[0] in ("link", "lookup") or "crossencoder" in command:
        given += ["--ngrams-model", model.ngrams]
    if "crossencoder" in command or command[0] == "index":
        given += ["--model-name", encoder]
    if "sapbert" in command:
        given += ["--base-model", encoder]
    done = run(*command, *given)
    assert done.exit_code == 1
    assert "none.xml: no such file or directory" in done.stderr
    assert not (tmp_path / "o").exists()


def test_wrong_params_are_named(model, encoder, tmp_path):
    for content, said in (({"sapbert": {"lr": 1}}, "unknown sapbert parameters: lr"), ({"ngrams": {}}, "no key")):
        (tmp_path / "p.json").write_text(json.dumps(content))
        done = run(
            *("train", "sapbert", "--ontology", model.ontology, "--base-model", encoder),
            *("--output-dir", tmp_path / "o", "--params", tmp_path / "p.json"),
        )
        assert done.exit_code == 1
        assert said in done.stderr


def test_two_generators_or_a_lookup(model, tmp_path):
    base = ("link", "x", "--out-corpus", tmp_path / "run", "--ontology", model.ontology)
    none = run(*base)
    assert none.exit_code == 1
    assert "give a generator: --ngrams-model or --dense-index" in none.stderr
    many = run(*base, "--ngrams-model", model.ngrams, "--candidates-lookup", model.ngrams)
    assert many.exit_code == 1
    assert "give --candidates-lookup alone" in many.stderr


def test_lines_of_progress():
    assert embedding(Embedding(10)).startswith("embed: chunks 0/10, 0 strings")
    line = embedding(Embedding(10, chunks_before=2, chunks=4, strings=40))
    assert line.startswith("embed: chunks 6/10, 40 strings (")
    assert line.endswith("left")
    state = {"stage": "synonyms", "epoch": 1, "epochs": 2, "step": 3, "steps": 9, "loss": 0.5}
    assert training(state) == "train: synonyms, epoch 1/2, step 3/9, loss 0.5000"
