"""The script for GPU machines, tried on a CPU with a tiny model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from gpu import check, prepare, run
from gpu.bench import operations
from gpu.synthetic import Lab, build_model, documents, examples, names, unpack_model
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertForTokenClassification

HERE = Path(__file__).parent
TINY = ["--device", "cpu", "--tiny"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return Lab(build_model(tmp_path_factory.mktemp("lab") / "model", tiny=True), "cpu", tiny=True)


@pytest.mark.bench
@pytest.mark.timeout(900)
def test_all_steps_on_a_cpu(tmp_path):
    out = tmp_path / "runs" / "gpu.json"
    script = ["bash", str(HERE / "run.sh"), *TINY, "--out", str(out), "--seconds", "800"]
    environment = {**os.environ, "PYTHON": sys.executable}
    made = subprocess.run(script, env=environment, text=True, capture_output=True)
    assert made.returncode == 0, made.stdout + made.stderr
    report = json.loads(out.read_text())
    assert list(report["steps"]) == [name for name, _ in run.steps()]
    assert report["missing_modules"] == []
    for name, step in report["steps"].items():
        assert step["status"] == "done", (name, step)
        rates = [value for key, value in step.items() if key.endswith("_per_s")]
        assert all(rate > 0 for rate in rates)
        assert rates or name.startswith("check")
    tree, base = (report["steps"][f"{crosstype}, sentence, top 10"] for crosstype in ("tree", "base"))
    assert base["tokens_per_mention"] > 3 * tree["tokens_per_mention"]
    assert base["share_of_peak"] is None  # that of a card
    assert report["targets"]["tree, top 10, mentions/s"]["measured"] == tree["mentions_per_s"]


def test_without_time_or_a_gpu(tmp_path, capsys):
    assert run.main([*TINY, "--seconds", "0", "--out", str(tmp_path / "cut.json")]) == 0
    steps = json.loads((tmp_path / "cut.json").read_text())["steps"]
    assert {step["status"] for step in steps.values()} == {"skipped"}
    assert len(steps) == len(run.steps())
    if not torch.cuda.is_available():
        assert run.main(["--out", str(tmp_path / "none.json")]) == 1
        assert json.loads((tmp_path / "none.json").read_text())["reason"] == "no CUDA device"
        assert "torch sees no CUDA device" in capsys.readouterr().out


def test_what_is_missing_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(run, "missing_modules", lambda: [run.THEIRS])
    out = tmp_path / "gpu.json"
    assert run.main([*TINY, "--only", "SentenceTransformer.encode", "--out", str(out)]) == 0
    assert "missing: sentence_transformers: what is compared with it is skipped" in capsys.readouterr().out
    steps = json.loads(out.read_text())["steps"]
    assert {step["reason"] for step in steps.values()} == {"the module sentence_transformers is missing"}
    monkeypatch.setattr(run, "missing_modules", lambda: ["isal"])
    assert run.main([*TINY, "--out", str(out)]) == 1
    assert "missing: isal: nothing can be run without it" in capsys.readouterr().out
    assert json.loads(out.read_text()) == {"missing_modules": ["isal"]}


def test_a_step_that_fails_stops_no_other(lab, monkeypatch, tmp_path):
    def fails(_lab):
        raise check.CheckError("it doesn't hold")

    def breaks(_lab):
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(run, "steps", lambda: [("a", fails), ("b", breaks), ("c", lambda _lab: {"strings_per_s": 2.0})])
    assert run.main([*TINY, "--out", str(tmp_path / "gpu.json")]) == 1
    steps = json.loads((tmp_path / "gpu.json").read_text())["steps"]
    assert [step["status"] for step in steps.values()] == ["failed", "error", "done"]
    assert [step.get("reason") for step in steps.values()] == ["it doesn't hold", "ZeroDivisionError: by nothing", None]


def damage(model):
    """Make a model compute something else, as a wrong kernel would."""
    handle = model.base_model.encoder.layer[0].register_forward_hook(
        lambda _module, _given, made: tuple(each * 1.05 for each in made) if isinstance(made, tuple) else made * 1.05
    )
    return handle


def test_wrong_scores_are_found(lab, monkeypatch):
    build = check.build_scorer

    def damaged(lab, *args, device=None, **options):
        scorer = build(lab, *args, device=device, **options)
        if device is None:  # where the checks compute, not the reference
            damage(scorer.encoder.model)
        return scorer

    monkeypatch.setattr(check, "build_scorer", damaged)
    with pytest.raises(check.CheckError, match="from the CPU's"):
        check.scores(lab, "tree")


def test_lost_scores_are_found():
    with pytest.raises(check.CheckError, match="shapes"):
        check.apart([np.zeros(2)], [np.zeros(3)])
    assert check.apart([np.array([0.0, np.nan])], [np.zeros(2)]) == float("inf")
    assert check.apart([np.array([0.0, 2.0]), np.zeros(0)], [np.zeros(2), np.zeros(0)]) == 2.0


def test_operations_are_those_of_torch():
    """Against PyTorch's own count, for a model that runs all layers at all tokens, with a head of 2 labels.

    (It counts the products of eager attention, not those of the fused kernels.)
    """
    config = BertConfig(vocab_size=20, hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=64)
    model = BertForTokenClassification._from_config(config, attn_implementation="eager").eval()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(input_ids=torch.ones(5, 7, dtype=torch.long))
    head = 2 * 5 * 7 * 32 * 2
    assert operations(config, [(7, 7, 7)] * 5) + head == counter.get_total_flops()


def test_inputs_have_the_sizes_of_real_ones():
    given = examples(400, 10)
    assert all(each.context.startswith(each.mention, each.start) for each in given)
    assert 22 <= np.mean([len(each.context.split()) for each in given]) <= 34
    assert {len(name.split()) for each in given for name in each.names} <= set(range(2, 7))
    assert 1.5 <= len(given) / len({each.group for each in given}) <= 2.5
    assert [each.context for each in examples(20, 10)] == [each.context for each in given[:20]]
    assert len(set(names(3_000))) == 3_000
    assert all(len(document) == 2 for document in documents(3))


def test_a_packed_model_comes_out_whole(lab, tmp_path):
    parts = prepare.write_parts(prepare.packed(lab.home), tmp_path, size=10_000)
    assert len(parts) > 10
    home = unpack_model(sorted(tmp_path.glob(".model.part*"), key=run.part_number), tmp_path / "model")
    for name in ("config.json", "tokenizer.json"):
        assert (home / name).read_bytes() == (lab.home / name).read_bytes()
    ours, theirs = (check.TextEncoder.load(each, "mean", "fp32").encode(names(20)) for each in (lab.home, home))
    np.testing.assert_allclose(ours, theirs, atol=0.02)  # fp16 has 11 bits
    assert prepare.write_parts(b"ab", tmp_path) == [tmp_path / ".model.part0"]
    assert len(list(tmp_path.glob(".model.part*"))) == 1


def test_packages_to_carry_are_those_that_are_needed():
    assert len(prepare.constrained()) == len(prepare.PACKAGES)
    assert {name.replace("-", "_") for name in prepare.PACKAGES} <= set(run.NEEDED)
