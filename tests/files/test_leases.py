import contextlib
import json
import threading
import time
from types import SimpleNamespace

import pytest
from faulty_store import FaultyStore, every, for_seconds, slow
from ray import cloudpickle

from raybel.errors import AccessError, ConfigError, LockedError
from raybel.files import leases, locks, outages, s3, storage
from raybel.files.storage import join

LEASE = 4.0  # the store's clock counts whole seconds


@pytest.fixture(scope="module")
def store():
    faulty = FaultyStore("leases")
    yield faulty
    faulty.close()


@pytest.fixture
def place(store, tmp_path, monkeypatch):
    """A new directory on the store, whose leases last for less than a second."""
    monkeypatch.setattr(leases, "LEASE_SECONDS", LEASE)
    monkeypatch.setattr(leases, "SETTLE_SECONDS", 0.02)
    monkeypatch.setattr(outages, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.delenv(outages.VARIABLE, raising=False)
    monkeypatch.setattr(outages, "OUTAGE_SECONDS", 30.0)
    store.fault = lambda method, path: None
    storage.find_bytes(store.uri("none"))  # what is made once takes its time
    yield store.uri(tmp_path.name)
    store.fault = lambda method, path: None


def lease_of(place):
    return json.loads(storage.read_bytes(join(place, ".lock")))


def renewals(status, end=float("inf")):
    """A fault of writing leases alone."""
    return lambda method, path: (
        status if path.endswith(".lock") and method == "PUT" and time.monotonic() < end else None
    )


def until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def refused(uri):
    try:
        storage.publish(uri, b"x")
    except LockedError:
        return True
    return False


def take_over(place):
    storage.publish_json(join(place, ".lock"), {"host": "other", "pid": 7, "id": "other"})


@pytest.mark.parametrize("status", [403, 503, "away"])
def test_a_renewal_that_fails_for_a_while_is_tried_again(store, place, status):
    with locks.lock(place) as lease:
        store.fault = renewals(status, end=time.monotonic() + LEASE / 2)
        until(lambda: store.fault("PUT", ".lock") is None)
        before = lease_of(place)["renewals"]
        until(lambda: lease_of(place)["renewals"] > before)
        assert locks.is_locked(place)
        with pytest.raises(LockedError, match="another job works on it"), locks.lock(place):
            pass
        lease.check()
        storage.publish(join(place, "a"), b"x")
    assert not locks.is_locked(place)
    assert storage.names(place) == ["a"]


def test_a_job_that_may_not_renew_for_as_long_as_its_lease_lasts_writes_nothing_more(store, place):
    storage.publish(join(place, "parts/x"), b"x")
    with locks.lock(place) as lease:
        store.fault = renewals(403)
        time.sleep(LEASE / 2)
        lease.check()
        until(lambda: refused(join(place, "parts/y")))
        with pytest.raises(LockedError, match=r"couldn't be renewed for .*AccessDenied"):
            lease.check()
        store.fault = lambda method, path: None
        for change in (storage.delete, storage.delete_file, lambda uri: storage.publish(uri, b"y")):
            with pytest.raises(LockedError, match="wrote nothing more"):
                change(join(place, "parts/x"))
        storage.publish(store.uri("elsewhere/a"), b"y")
    assert storage.read_bytes(join(place, "parts/x")) == b"x"


@pytest.mark.bench
def test_a_store_that_is_away_for_longer_than_the_lease_is_waited_for(store, place):
    with locks.lock(place) as lease:
        store.fault = for_seconds(2 * LEASE, "away")
        time.sleep(1.5 * LEASE)
        lease.check(now=True)
        storage.publish(join(place, "a"), b"x")
    assert storage.names(place) == ["a"]


def test_a_job_that_finds_anothers_id_in_its_lease_stops(place):
    storage.publish(join(place, "parts/x"), b"x")
    with locks.lock(place) as lease:
        worker = cloudpickle.loads(cloudpickle.dumps(lease))
        worker.check()
        take_over(place)
        for each in (worker, lease):
            with pytest.raises(LockedError, match=r"another job works on it now \(host other, pid 7\)"):
                each.check(now=True)
        with pytest.raises(LockedError, match="another job"):
            storage.delete(join(place, "parts"))
    assert storage.names(place) == [".lock", "parts/x"]
    assert lease_of(place)["id"] == "other"


def test_a_worker_looks_at_the_lease_only_now_and_then(store, place):
    with locks.lock(place) as lease:
        worker = cloudpickle.loads(cloudpickle.dumps(lease))
        worker.check()
        looks = [request for request in store.requests if request[0] == "GET"]
        for _ in range(20):
            worker.check()
        assert len([request for request in store.requests if request[0] == "GET"]) <= len(looks) + 1
        take_over(place)
        time.sleep(LEASE / leases.RENEWALS)
        with pytest.raises(LockedError):
            worker.check()


@pytest.mark.bench
def test_a_worker_bears_a_refusal_for_a_while(store, place):
    with locks.lock(place) as lease:
        worker = cloudpickle.loads(cloudpickle.dumps(lease))
        store.fault = for_seconds(LEASE / 3, 403)
        worker.check()
        store.fault = lambda method, path: 403
        with pytest.raises(AccessError, match="AccessDenied"):
            cloudpickle.loads(cloudpickle.dumps(lease)).check()
        store.fault = lambda method, path: None


@pytest.mark.parametrize("seconds", [-3600.0, 3600.0])
def test_no_clock_of_a_host_counts(place, monkeypatch, seconds):
    with locks.lock(place):
        wrong = SimpleNamespace(time=lambda: time.time() + seconds, monotonic=time.monotonic, sleep=time.sleep)
        monkeypatch.setattr(leases, "time", wrong)  # the store, which is in this process, keeps its own
        assert locks.is_locked(place)
        with pytest.raises(LockedError, match="another job works on it"), locks.lock(place):
            pass


def test_an_abandoned_lease_is_taken_by_the_stores_clock(place):
    storage.publish(join(place, ".lock"), b"not JSON")
    assert locks.is_locked(place)
    with pytest.raises(LockedError, match="another job works on it, or was killed"), locks.lock(place):
        pass
    time.sleep(1.5 + LEASE)
    assert not locks.is_locked(place)
    with locks.lock(place):
        assert locks.is_locked(place)
    assert storage.names(place) == []


@pytest.mark.bench
def test_without_the_stores_clock_a_lease_is_watched(place, monkeypatch):
    answer = s3.get

    def without_age(uri):
        found = answer(uri)
        return s3.Answer(found.data, found.tag, None)

    monkeypatch.setattr(s3, "get", without_age)
    storage.publish(join(place, ".lock"), b"{}")
    with locks.lock(place):  # nobody changed it
        begun = time.monotonic()
        with pytest.raises(LockedError, match="another job works on it"), locks.lock(place):
            pass
        assert time.monotonic() - begun < LEASE


@pytest.mark.parametrize("conditions", [True, False])
def test_of_jobs_that_start_at_once_one_gets_the_lease(store, place, conditions, monkeypatch):
    if not conditions:  # as a store that doesn't know them
        whole = s3.put
        monkeypatch.setattr(s3, "put", lambda uri, data, tag=None, new=False: whole(uri, data))
        monkeypatch.setattr(leases, "SETTLE_SECONDS", 0.3)
    barrier, got, refused, over = threading.Barrier(4), [], [], threading.Event()

    def start():
        barrier.wait()
        try:
            with locks.lock(place) as lease:
                got.append(lease)
                over.wait(3)
        except LockedError:
            refused.append(1)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    while len(got) + len(refused) < 4 and any(thread.is_alive() for thread in threads):
        time.sleep(0.02)
    over.set()
    for thread in threads:
        thread.join()
    assert (len(got), len(refused)) == (1, 3)


def test_a_slow_start_never_takes_a_lease_that_another_job_got_meanwhile(place, monkeypatch):
    find, taken = leases._find, []

    def slow_find(uri):
        found = find(uri)
        if not taken:  # another job comes between looking and writing
            taken.append(leases.Lease(place, leases.owner()))
            monkeypatch.setattr(leases, "_find", find)
            taken[0].take()
        return found

    monkeypatch.setattr(leases, "_find", slow_find)
    with pytest.raises(LockedError, match="at the same moment"), locks.lock(place):
        pass
    assert lease_of(place)["id"] == taken[0].owner["id"]


def test_a_store_that_refuses_conditions_is_written_without_them(store, place, monkeypatch):
    plain = s3.put

    def put(uri, data, tag=None, new=False):
        if tag or new:
            raise OSError("NotImplemented (HTTP status 501) during PutObject")
        return plain(uri, data)

    monkeypatch.setattr(s3, "put", put)
    with locks.lock(place) as lease:
        first = lease_of(place)["renewals"]
        until(lambda: lease_of(place)["renewals"] > first)
        lease.check()


def test_the_end_of_a_job_tells_its_own_error_though_the_store_is_away(store, place, monkeypatch, caplog):
    monkeypatch.setattr(leases, "RELEASE_SECONDS", 0.2)

    def job():
        with locks.lock(place):
            store.fault = lambda method, path: "away"
            raise ValueError("of the job")

    with pytest.raises(ValueError, match="of the job"):
        job()
    assert "the lock stays" in caplog.text
    store.fault = lambda method, path: None
    storage.delete_file(join(place, ".lock"))


@pytest.mark.parametrize("fault", [every(3, 503), slow(0.02)], ids=["503", "slow"])
def test_a_lease_of_a_store_that_is_unwell(store, place, fault):
    store.fault = fault
    with locks.lock(place) as lease:
        for number in range(10):
            storage.publish(join(place, str(number)), b"x")
            lease.check(now=True)
    assert len(storage.names(place)) == 10


def test_a_bucket_that_is_not_there(store, place):
    elsewhere = place.replace(f"@{store.bucket}", "@nosuchbucket")
    with pytest.raises(ConfigError, match=r"can't be written: .*NoSuchBucket"), locks.lock(elsewhere):
        pass


#: What a lease may be that nobody wrote.
NO_LEASES = [b"", b"not JSON", b"\xff\xfe", b"[" * 100_000, b"5", b'{"host": "h"}', b'{"id": ["x"]}', b"\x1f\x8b"]


def test_a_lease_that_is_none_is_kept_as_long_as_others(store, place):
    for content in NO_LEASES:
        storage.publish(join(place, ".lock"), content)
        with pytest.raises(LockedError, match="another job works on it, or was killed"), locks.lock(place):
            pass
        assert locks.is_locked(place)
    time.sleep(LEASE + 1)
    with locks.lock(place) as lease:
        assert lease_of(place)["id"] == lease.owner["id"]


def test_a_lock_file_that_is_none_is_no_lock(tmp_path):
    for content in NO_LEASES:
        (tmp_path / ".lock").write_bytes(content)
        assert not locks.is_locked(str(tmp_path))
        with locks.lock(str(tmp_path)):
            (tmp_path / ".lock").write_bytes(content)
            with pytest.raises(LockedError, match=r"another job works on it$"), locks.lock(str(tmp_path)):
                pass


def test_the_lease_of_one_directory_does_not_guard_its_neighbour(store, place):
    with contextlib.ExitStack() as held:
        held.enter_context(locks.lock(join(place, "a")))
        take_over(join(place, "a"))
        until(lambda: refused(join(place, "a", "b")))
        storage.publish(join(place, "ab"), b"x")
