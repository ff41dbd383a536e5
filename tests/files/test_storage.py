import errno
import gzip
import json
import os
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pytest

from raybel.errors import ConfigError, InputError, LockedError
from raybel.files import locks, storage, tables
from raybel.files.patterns import expand


@pytest.fixture(params=["local", "s3"])
def place(request, tmp_path):
    """A new directory, local or on S3."""
    if request.param == "local":
        return str(tmp_path / "place")
    return request.getfixturevalue("endpoint")(tmp_path.name)


def test_publish_read_replace_delete(place):
    where = storage.join(place, "a", "b.bin")
    assert storage.identity(where) is None
    assert not storage.exists(where)
    storage.publish(where, b"one")
    assert storage.read_bytes(where) == b"one"
    first = storage.identity(where)
    assert first.size == 3
    assert first.mtime_ns > 0
    storage.publish(where, (piece for piece in (b"two", b"", b"more")))
    assert b"".join(storage.copy_bytes(where)) == b"twomore"
    assert storage.identity(where).size == 7
    storage.delete(where)
    storage.delete(where)
    assert storage.identity(where) is None


def test_names_and_deletion_of_a_directory(place):
    assert storage.names(place) == []
    for name in ("b", "a/x", "a/y/z"):
        storage.publish(storage.join(place, name), name.encode())
    assert storage.names(place) == ["a/x", "a/y/z", "b"]
    assert storage.exists(storage.join(place, "a"))
    assert storage.identity(storage.join(place, "a")) is None
    storage.delete(storage.join(place, "a"))
    assert storage.names(place) == ["b"]
    storage.delete(storage.join(place, "none"))


def test_pieces_that_fail_leave_nothing(place):
    def pieces():
        yield b"half"
        raise ValueError("stop")

    where = storage.join(place, "a")
    with pytest.raises(ValueError, match="stop"):
        storage.publish(where, pieces())
    assert storage.names(place) == []
    storage.publish(where, b"old")
    with pytest.raises(ValueError, match="stop"):
        storage.publish(where, pieces())
    assert storage.names(place) == ["a"]
    assert storage.read_bytes(where) == b"old"


def test_open_bytes_decompresses_what_is_gzip(place):
    for name, data in (("plain", b"text"), ("packed", storage.compress(b"text")), ("empty", b"")):
        where = storage.join(place, name)
        storage.publish(where, data)
        with storage.open_bytes(where) as file:
            assert file.read() == (b"text" if data else b"")
    with pytest.raises(InputError, match="no such file"), storage.open_bytes(storage.join(place, "none")):
        pass


def test_expand_a_file_a_directory_and_nothing(place):
    for name in ("b.xml", "a/b.xml", "a/c.txt", ".d.xml", "_e/f.xml"):
        storage.publish(storage.join(place, name), b"x")
    found = expand([place], (".xml",))
    assert found == [(storage.join(place, "a/b.xml"), "a/b.xml"), (storage.join(place, "b.xml"), "b.xml")]
    single = storage.join(place, "a/c.txt")
    assert expand([single, single], (".xml",)) == [(single, "c.txt")]
    assert all(storage.read_bytes(path) == b"x" for path, _ in found)
    with pytest.raises(ConfigError, match="no such file"):
        expand([storage.join(place, "none")], (".xml",))
    with pytest.raises(ConfigError, match="holds no file named"):
        expand([storage.join(place, "a")], (".json",))


def test_globs(tmp_path):
    for name in ("a1.xml", "a2.xml", "b.xml"):
        (tmp_path / name).write_text("x")
    (tmp_path / "a3.xml").mkdir()
    found = expand([str(tmp_path / "a*.xml")], (".xml",))
    assert [name for _, name in found] == ["a1.xml", "a2.xml"]


def test_localise(place, tmp_path, monkeypatch):
    monkeypatch.setattr(storage.tempfile, "tempdir", str(tmp_path / "machine"))
    (tmp_path / "machine").mkdir()
    for name in ("a", "sub/b"):
        storage.publish(storage.join(place, name), name.encode())
    home = storage.localise(place)
    assert (home / "sub/b").read_bytes() == b"sub/b"
    assert storage.localise(place) == home
    one = storage.localise(storage.join(place, "a"))
    assert one.read_bytes() == b"a"
    assert one.name == "a"
    if not storage.is_local(place):
        storage.publish(storage.join(place, "a"), b"changed")
        assert (storage.localise(place) / "a").read_bytes() == b"changed"
        with pytest.raises(InputError, match="no such file or directory"):
            storage.localise(storage.join(place, "none"))


def test_json(place):
    where = storage.join(place, "v.json")
    storage.publish_json(where, {"b": 1, "a": "é"})
    assert storage.read_bytes(where).decode() == '{\n  "a": "é",\n  "b": 1\n}\n'
    assert storage.read_json(where) == {"a": "é", "b": 1}
    packed = gzip.compress(b"[1]" * 100)
    for data in (b"{", b"\xff", packed[:-9], b"\x1f\x8bxx"):
        storage.publish(where, data)
        with pytest.raises(InputError, match="isn't readable JSON"):
            storage.read_json(where)


def test_one_holder_of_a_lock(place):
    with locks.lock(place):
        assert locks.is_locked(place)
        with pytest.raises(LockedError, match=f"another job works on it.*{os.getpid()}"), locks.lock(place):
            pass
    assert not locks.is_locked(place)
    with locks.lock(place):
        pass
    assert [name for name in storage.names(place) if name != ".lock"] == []


def test_globs_and_suffixes_on_an_object_store(endpoint, tmp_path):
    place = endpoint(tmp_path.name + "-globs")
    for name in ("a.xml", "b.xml.gz", "below/c.json"):
        storage.publish(storage.join(place, name), b"x")
    found = expand([storage.join(place, "*.xml*")], (".xml",))
    assert [name for _, name in found] == ["a.xml", "b.xml.gz"]
    assert all(storage.read_bytes(uri) == b"x" for uri, _ in found)
    assert storage.name_of(storage.join(place, "below", "c.json")).endswith("c.json")


HOLD = """
import sys, time
from raybel.files import locks
with locks.lock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_is_freed_when_its_process_is_killed(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockedError, match=str(holder.pid)), locks.lock(str(tmp_path)):
            pass
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with locks.lock(str(tmp_path)):
        pass


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    for wrong in (str(tmp_path / "file" / "below"), "/proc/raybel"):
        with pytest.raises(ConfigError, match="can't be written"):
            storage.publish(f"{wrong}/a", b"x")
        with pytest.raises(ConfigError, match="can't be written"), locks.lock(wrong):
            pass


@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch, where):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "a"
    path.write_bytes(b"old")
    with monkeypatch.context() as patch:
        patch.setattr(storage.os, where, full)
        with pytest.raises(ConfigError, match=r"a: can't be written: No space left on device"):
            storage.publish(str(path), b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert path.read_bytes() == b"old"


def test_a_file_of_no_known_kind_of_uri():
    with pytest.raises(ConfigError, match="nonsense://"):
        storage.resolve("nonsense://a/b")


def test_join_keeps_a_query_at_the_end_and_local_question_marks():
    assert storage.join("s3://b/p/?region=x", "a", "b") == "s3://b/p/a/b?region=x"
    assert storage.join("/tmp/what?/", "a") == "/tmp/what?/a"


def test_bytes_depend_on_data_alone(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1e9)
    first = storage.compress(b"data" * 100)
    monkeypatch.setattr(time, "time", lambda: 2e9)
    assert storage.compress(b"data" * 100) == first
    assert gzip.decompress(first) == b"data" * 100
    table = pa.table({"a": [1, 2], "b": ["x", None]})
    assert tables.parquet_bytes(table) == tables.parquet_bytes(table)


def test_the_lock_says_who_holds_it(tmp_path):
    with locks.lock(str(tmp_path)):
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()
