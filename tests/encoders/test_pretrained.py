import json

import pytest
from tiny_model import make_encoder

from raybel.encoders import pretrained
from raybel.encoders.pretrained import check_files, model_files, pooling_of, resolve
from raybel.errors import ConfigError, InputError


def test_a_directory(encoder):
    assert resolve(str(encoder)) == encoder


def test_minilm_comes_as_a_package():
    assert (resolve("minilm") / "model.safetensors").is_file()
    assert pooling_of(str(resolve("minilm"))) == "mean"


def test_minilm_without_its_package(monkeypatch):
    monkeypatch.setattr(pretrained.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install"):
        resolve("minilm")


def test_a_hub_name_without_a_network_says_how_to_get_it():
    with pytest.raises(ConfigError) as raised:
        resolve("nobody/no-such-model")
    for part in ("nobody/no-such-model", "hf download", "minilm"):
        assert part in str(raised.value)


@pytest.mark.parametrize("name", ["./none", "/none/at/all", "models/a/b"])
def test_no_such_directory(name):
    with pytest.raises(ConfigError, match="no such model directory"):
        resolve(name)


@pytest.mark.parametrize(
    ("gone", "named"),
    [
        (["config.json"], "config.json"),
        (["model.safetensors"], "model.safetensors"),
        (["tokenizer.json", "vocab.txt"], "tokenizer"),
        (["config.json", "model.safetensors"], "config.json, weights"),
    ],
)
def test_missing_files_are_named(tmp_path, gone, named):
    home = make_encoder(tmp_path / "model")
    for name in gone:
        (home / name).unlink()
    with pytest.raises(InputError, match=named):
        resolve(str(home))


def test_pickled_weights_are_refused(tmp_path):
    home = make_encoder(tmp_path / "model")
    (home / "model.safetensors").rename(home / "pytorch_model.bin")
    with pytest.raises(InputError, match="pickle"):
        check_files(str(home))
    assert "pytorch_model.bin" not in model_files(home)


def test_pooling_is_what_the_model_says(tmp_path):
    home = make_encoder(tmp_path / "model")
    assert pooling_of(str(home)) == "cls"
    (home / "1_Pooling").mkdir()
    where = home / "1_Pooling" / "config.json"
    for mean in (True, False):
        where.write_text(json.dumps({"pooling_mode_mean_tokens": mean, "pooling_mode_cls_token": not mean}))
        assert pooling_of(str(home)) == ("mean" if mean else "cls")
    assert "1_Pooling/config.json" in model_files(home)
    for mode in ("mean", "cls"):  # as newer versions write it
        where.write_text(json.dumps({"embedding_dimension": 16, "pooling_mode": mode}))
        assert pooling_of(str(home)) == mode
    for other in ({"pooling_mode": "lasttoken"}, {"pooling_mode": ["cls", "mean"]}, {"pooling_mode_max_tokens": True}):
        where.write_text(json.dumps(other))
        with pytest.raises(InputError, match="give --pooling"):
            pooling_of(str(home))
    where.write_text("{")
    with pytest.raises(InputError, match="JSON"):
        pooling_of(str(home))
