import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tiny_model import WIDTH, make_encoder

from raybel.encoders.pretrained import resolve
from raybel.encoders.text_encoder import TextEncoder
from raybel.errors import ConfigError, InputError

TEXTS = st.lists(st.text("abc 5-", max_size=20), max_size=40)


@pytest.fixture(scope="module", params=["fp32", "bf16"])
def loaded(encoder, request):
    return TextEncoder.load(encoder, precision=request.param)


def same_as_padded(directory, texts, pooling):
    """The plain way: one padded batch, with an attention mask."""
    loaded = TextEncoder.load(directory, precision="fp32")
    batch = loaded.tokenizer(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        hidden = loaded.model(**batch).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(-1)
    pooled = hidden[:, 0] if pooling == "cls" else (hidden * mask).sum(1) / mask.sum(1)
    return torch.nn.functional.normalize(pooled, dim=1).numpy()


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_the_vectors_are_those_of_a_padded_batch(encoder, pooling):
    texts = ["anemia", "asthma 5", "b-cell", "", "anemia"]
    found = TextEncoder.load(encoder, pooling, "fp32").encode(texts)
    assert found.dtype == np.float32
    assert found.shape == (5, WIDTH)
    np.testing.assert_allclose(found, same_as_padded(encoder, texts, pooling), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


@given(TEXTS, st.integers(0, 1000), st.sampled_from([64, 256, 4096]))
@settings(max_examples=40)
def test_what_else_is_encoded_changes_no_bit(loaded, texts, seed, budget):
    loaded.batch_tokens = 4096
    whole = dict(zip(texts, loaded.encode(texts), strict=True))
    loaded.batch_tokens = budget
    shuffled = [texts[i] for i in np.random.default_rng(seed).permutation(len(texts))]
    half = shuffled[: len(texts) // 2]
    for some in (shuffled, half, *[[text] for text in half[:3]]):
        for text, vector in zip(some, loaded.encode(some), strict=True):
            assert vector.tobytes() == whole[text].tobytes()


def test_nothing_to_encode(loaded):
    assert loaded.encode([]).shape == (0, WIDTH)


def test_strings_of_the_same_tokens_have_the_same_vector(loaded):
    one, other = loaded.encode(["b-cell", "b - cell"])
    assert one.tobytes() == other.tobytes()


def test_a_long_string_is_cut_and_counted(encoder):
    loaded = TextEncoder.load(encoder)
    long = "ab " * 5000
    assert len(loaded.token_ids([long])[0]) == loaded.max_tokens == 64
    assert loaded.count_truncated([long, "short", "a " * 62]) == 1
    assert np.isfinite(loaded.encode([long, "a" * 10_000])).all()


def test_nan_weights(tmp_path):
    home = make_encoder(tmp_path / "model")
    weights = load_file(home / "model.safetensors")
    name = next(each for each in weights if each.endswith("LayerNorm.weight"))
    weights[name][:] = float("nan")
    save_file(weights, home / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match="NaN"):
        TextEncoder.load(home).encode(["a"])


@pytest.mark.parametrize("damage", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_damaged_file(tmp_path, damage):
    home = make_encoder(tmp_path / "model")
    (home / "vocab.txt").unlink()
    (home / damage).write_bytes((home / damage).read_bytes()[:50])
    with pytest.raises(InputError, match="isn't a usable Hugging Face model"):
        TextEncoder.load(home)


def test_weights_of_another_model(tmp_path):
    """transformers would fill in random numbers for what is missing."""
    home = make_encoder(tmp_path / "model")
    weights = {f"module.{name}": value for name, value in load_file(home / "model.safetensors").items()}
    save_file(weights, home / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match="missing, such as"):
        TextEncoder.load(home)


def test_wrong_settings(encoder):
    with pytest.raises(ConfigError, match="pooling"):
        TextEncoder.load(encoder, "max")
    with pytest.raises(ConfigError, match="precision"):
        TextEncoder.load(encoder, precision="int8")


def test_no_fp16_on_a_cpu(encoder):
    assert TextEncoder.load(encoder, precision="fp16").precision == "bf16"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_real_minilm(precision):
    loaded = TextEncoder.load(resolve("minilm"), precision=precision)
    assert (loaded.pooling, loaded.width) == ("mean", 384)
    vectors = loaded.encode(["breast cancer", "breast carcinoma", "malaria"])
    near, far = vectors[0] @ vectors[1], vectors[0] @ vectors[2]
    assert near > 0.8 > 0.5 > far
