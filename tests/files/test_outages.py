import threading
import time

import pytest
from faulty_store import FaultyStore, every, first, for_seconds, slow

from raybel.errors import AccessError, ConfigError
from raybel.files import outages, s3, storage
from raybel.files.patterns import expand
from raybel.files.storage import join

EIGHT_MB = 8 << 20
#: Each kind of request to a store.
REQUESTS = {
    "read": lambda place: storage.read_bytes(join(place, "a")),
    "stream": lambda place: b"".join(storage.copy_bytes(join(place, "a"))),
    "write": lambda place: storage.publish(join(place, "b"), b"new"),
    "write in parts": lambda place: storage.publish(join(place, "large"), b"x" * (EIGHT_MB + 1)),
    "look up": lambda place: storage.identity(join(place, "a")),
    "exists": lambda place: storage.exists(place),
    "list": lambda place: storage.names(place),
    "entries": lambda place: storage.entries(place),
    "expand": lambda place: expand([join(place, "*")], ("a",)),
    "delete": lambda place: storage.delete(join(place, "c")),
    "delete a file": lambda place: storage.delete_file(join(place, "c")),
}


@pytest.fixture(scope="module")
def store():
    faulty = FaultyStore("outages")
    yield faulty
    faulty.close()


@pytest.fixture
def place(store, tmp_path, monkeypatch):
    """A directory on the store with the files a and c."""
    monkeypatch.setattr(outages, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.delenv(outages.VARIABLE, raising=False)
    store.fault = lambda method, path: None
    where = store.uri(tmp_path.name)
    for name in ("a", "c"):
        storage.publish(join(where, name), name.encode())
    store.requests.clear()
    yield where
    store.fault = lambda method, path: None


@pytest.mark.parametrize("status", [503, 500, "away"])
@pytest.mark.parametrize("request_of", REQUESTS)
def test_a_request_is_made_again_until_the_store_is_back(store, place, request_of, status):
    store.fault = first(2, status)
    REQUESTS[request_of](place)
    assert len(store.requests) > 2


@pytest.mark.parametrize("status", [503, "away"])
@pytest.mark.parametrize("request_of", REQUESTS)
def test_a_store_that_stays_away_is_one_sentence(store, place, request_of, status):
    store.fault = lambda method, path: status
    with outages.patience(0.2), pytest.raises(AccessError) as error:
        REQUESTS[request_of](place)
    sentence = str(error.value)
    assert sentence.startswith(f"s3://outages/{place.rpartition('/')[2].partition('?')[0]}"[:20])
    assert "can't be" in sentence
    assert "; tried for" in sentence
    assert "secret" not in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("request_of", REQUESTS)
def test_a_refusal_is_said_at_once(store, place, request_of):
    store.fault = lambda method, path: 403
    with pytest.raises(AccessError, match=r"can't be .*(AccessDenied|ACCESS_DENIED|status 403)"):
        REQUESTS[request_of](place)
    assert len(store.requests) <= 2  # the second one takes an upload in parts back


def test_the_first_error_is_the_one_that_is_told(store, place):
    answers = iter([503, 503])
    store.fault = lambda method, path: next(answers, "away")
    with outages.patience(0.4), pytest.raises(AccessError, match=r"can't be written: SlowDown .*; tried for"):
        storage.publish(join(place, "a"), b"x")
    assert storage_is_as_before(store, place)


def storage_is_as_before(store, place):
    store.fault = lambda method, path: None
    return storage.read_bytes(join(place, "a")) == b"a"


def test_every_twentieth_request_fails_or_answers_are_slow(store, place):
    for fault in (every(20, 503), slow(0.02)):
        store.fault = fault
        for number in range(30):
            storage.publish(join(place, f"n/{number:02d}"), str(number).encode())
        read = storage.read_all(join(place, f"n/{number:02d}") for number in range(30))
        assert list(read) == [str(number).encode() for number in range(30)]
        assert len(storage.names(join(place, "n"))) == 30
        storage.delete(join(place, "n"))
        assert storage.names(join(place, "n")) == []


def test_a_file_is_read_on_where_the_store_went_away(store, place):
    whole = bytes(range(256)) * (10 << 12)
    storage.publish(join(place, "long"), whole)
    with storage.open_bytes(join(place, "long")) as file:
        beginning = file.read(1000)
        store.fault = for_seconds(0.3, "away")
        assert beginning + file.read() == whole


def test_small_objects_are_one_request_and_leave_no_markers(store, place):
    for size in (0, 1, EIGHT_MB):
        store.requests.clear()
        storage.publish(join(place, "x/y/z"), b"x" * size)
        assert [method for method, _, _ in store.requests] == ["PUT"]
        assert len(storage.read_bytes(join(place, "x/y/z"))) == size
        assert len(store.requests) == 2
    storage.delete_file(join(place, "x/y/z"))
    storage.delete(join(place, "c"))
    listed = store.client.list_objects_v2(Bucket=store.bucket, Prefix=f"{place.split('/')[3].partition('?')[0]}/")
    assert [each["Key"].rpartition("/")[2] for each in listed["Contents"]] == ["a"]


def test_a_large_object_is_there_whole_or_not_and_no_upload_is_left(store, place):
    whole = bytes(range(251)) * (1 << 17)
    storage.publish(join(place, "large"), whole)
    assert storage.read_bytes(join(place, "large")) == whole

    def fault(method, path):
        return 403 if method == "PUT" else None

    store.fault = fault
    with pytest.raises(AccessError, match="can't be written"):
        storage.publish(join(place, "large"), b"y" * (3 * EIGHT_MB))
    store.fault = lambda method, path: None
    assert storage.read_bytes(join(place, "large")) == whole
    assert store.unfinished_uploads() == []


def test_deleting_a_directory_spares_what_only_begins_with_its_name(place):
    for name in ("d/1", "d/e/2", "d1", "d.x"):
        storage.publish(join(place, name), b"x")
    storage.delete(join(place, "d"))
    assert storage.names(place) == ["a", "c", "d.x", "d1"]


def test_several_files_are_read_at_a_time(store, place):
    most, now, lock = [0], [0], threading.Lock()

    def fault(method, path):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.1)
        with lock:
            now[0] -= 1

    store.fault = fault
    assert list(storage.read_all([join(place, "a")] * 8)) == [b"a"] * 8
    assert 1 < most[0] <= storage.READ_AHEAD


@pytest.mark.parametrize("wrong", ["soon", "-1", "inf", "nan"])
def test_the_variable_is_a_number_of_seconds(monkeypatch, wrong):
    monkeypatch.setenv(outages.VARIABLE, wrong)
    with pytest.raises(ConfigError, match="must be a number of seconds"):
        outages.seconds_of_patience()
    monkeypatch.setenv(outages.VARIABLE, "7.5")
    assert outages.seconds_of_patience() == 7.5


def test_the_path_is_what_arrow_makes_of_a_uri(store):
    from pyarrow import fs

    for name in ("a/b.xml", "a%20b/c", "a/b/", "x+y"):
        assert s3.connect(store.uri(name))[1] == fs.FileSystem.from_uri(store.uri(name))[1]
