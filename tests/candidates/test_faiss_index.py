import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.candidates import faiss_index
from raybel.errors import ConfigError, InputError


def vectors(count, width=8, seed=0):
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float16)


def test_the_type_follows_the_size():
    assert faiss_index.choose_type("auto", 100) == "flat"
    assert faiss_index.choose_type("auto", faiss_index.FLAT_UP_TO + 1) == "ivf"
    assert faiss_index.choose_type("hnsw", 100) == "hnsw"
    with pytest.raises(ConfigError, match="index type"):
        faiss_index.choose_type("lsh", 100)


@given(st.integers(1, 50), st.integers(1, 20))
def test_unit(count, width):
    found = faiss_index.unit(vectors(count, width))
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_a_vector_of_zeros_stays():
    assert faiss_index.unit(np.zeros((1, 3), np.float16)).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("kind", faiss_index.TYPES)
def test_what_was_written_is_read_and_finds_the_same(tmp_path, kind):
    blocks = [vectors(700, seed=1), vectors(300, seed=2)]
    built = faiss_index.build(blocks, kind, 1)
    faiss_index.write(built, str(tmp_path / "i"))
    assert [path.name for path in tmp_path.iterdir()] == ["i"]
    read = faiss_index.read(tmp_path / "i", kind)
    assert (read.ntotal, read.d) == (1000, 8)
    queries = faiss_index.unit(np.concatenate(blocks)[::50])
    score, row = faiss_index.search(read, queries, 5, 1)
    every = faiss_index.unit(np.concatenate(blocks))
    exact = np.argsort(-(queries @ every.T), axis=1, kind="stable")[:, :5]
    shared = np.mean([len(set(a) & set(b)) / 5 for a, b in zip(row.tolist(), exact.tolist(), strict=True)])
    assert shared == 1 if kind == "flat" else shared > 0.7
    assert row[:, 0].tolist() == list(range(0, 1000, 50))  # each finds itself
    np.testing.assert_allclose(score[:, 0], 1, atol=1e-2)


def test_the_same_vectors_make_the_same_file(tmp_path):
    for name in ("a", "b"):
        faiss_index.write(faiss_index.build([vectors(2000)], "ivf", 1), str(tmp_path / name))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_blocks_change_nothing(tmp_path):
    whole = vectors(900)
    for name, blocks in (("a", [whole]), ("b", [whole[:100], whole[100:650], whole[650:]])):
        faiss_index.write(faiss_index.build(blocks, "ivf", 1), str(tmp_path / name))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_damaged_index(tmp_path):
    faiss_index.write(faiss_index.build([vectors(10)], "flat", 1), str(tmp_path / "i"))
    (tmp_path / "i").write_bytes((tmp_path / "i").read_bytes()[:20])
    with pytest.raises(InputError, match="isn't a readable FAISS index"):
        faiss_index.read(tmp_path / "i", "flat")
