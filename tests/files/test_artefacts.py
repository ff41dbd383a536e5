import json

import numpy as np
import pyarrow as pa
import pytest

from raybel.errors import InputError, MismatchError
from raybel.files import artefacts

FILES = {"a.bin": b"one", "b.bin": b"three"}


def test_a_directory_has_a_fingerprint_of_its_content(tmp_path):
    one = artefacts.save(str(tmp_path / "1"), "kind", 1, {"p": 1, "q": [2]}, FILES)
    assert artefacts.save(str(tmp_path / "2"), "kind", 1, {"q": [2], "p": 1}, dict(reversed(FILES.items()))) == one
    assert artefacts.save(str(tmp_path / "2"), "kind", 1, {"p": 2, "q": [2]}, FILES) != one
    assert artefacts.save(str(tmp_path / "2"), "kind", 1, {"p": 1, "q": [2]}, {**FILES, "a.bin": b"two"}) != one
    config = artefacts.describe(str(tmp_path / "1"), "kind", 1)
    assert (config["fingerprint"], config["parameters"]) == (one, {"p": 1, "q": [2]})


def test_an_interrupted_save_leaves_a_directory_that_is_refused(tmp_path, monkeypatch):
    where = str(tmp_path / "m")
    artefacts.save(where, "kind", 1, {}, FILES)

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(artefacts.storage, "publish", stop)
    with pytest.raises(KeyboardInterrupt):
        artefacts.save(where, "kind", 1, {}, {**FILES, "a.bin": b"new"})
    with pytest.raises(InputError, match="interrupted"):
        artefacts.describe(where, "kind", 1)


def test_what_is_missing_short_or_of_another_kind(tmp_path):
    where = str(tmp_path / "m")
    with pytest.raises(InputError, match="holds no kind model"):
        artefacts.describe(where, "kind", 1)
    artefacts.save(where, "kind", 1, {}, FILES)
    with pytest.raises(MismatchError, match="'kind' model, not a 'other'"):
        artefacts.describe(where, "other", 1)
    with pytest.raises(MismatchError, match=r"version 1 .* reads 2"):
        artefacts.describe(where, "kind", 2)
    (tmp_path / "m/b.bin").write_bytes(b"x")
    with pytest.raises(InputError, match=r"b\.bin has 1 bytes in place of 5"):
        artefacts.describe(where, "kind", 1)
    (tmp_path / "m/b.bin").unlink()
    with pytest.raises(InputError, match=r"b\.bin is missing"):
        artefacts.describe(where, "kind", 1)


@pytest.mark.parametrize("content", ["[]", "{}", "null", '{"kind": "kind", "version": 1}', "{"])
def test_a_config_that_is_none(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises((InputError, MismatchError), match=str(tmp_path)):
        artefacts.describe(str(tmp_path), "kind", 1)


def test_tables_and_arrays_are_read_back(tmp_path):
    table, array = pa.table({"a": [1, 2, 3]}), np.arange(5, dtype=np.float32)
    artefacts.save(str(tmp_path), "kind", 1, {}, {"t": artefacts.arrow_bytes(table), "n": artefacts.array_bytes(array)})
    assert artefacts.load_arrow(tmp_path / "t").equals(table)
    assert artefacts.load_array(tmp_path / "n").tolist() == array.tolist()
    assert json.loads((tmp_path / "config.json").read_text())["files"].keys() == {"t", "n"}
    with pytest.raises(ValueError, match="Object arrays"):
        artefacts.array_bytes(np.array([{}], dtype=object))
