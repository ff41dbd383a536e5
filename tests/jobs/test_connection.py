import os
import signal
import socket
import sys
import threading
import time

import psutil
import pytest
import ray
from ray.exceptions import GetTimeoutError

from raybel.errors import RaybelError
from raybel.jobs import connection
from raybel.jobs.connection import Head


def test_standard_error_is_pythons_alone_and_comes_back(capfd, monkeypatch):
    with open(2, "w", 1, closefd=False) as stream:  # as a process has it; pytest puts another one there
        monkeypatch.setattr(sys, "stderr", stream)
        with connection._own_standard_error():
            os.write(2, b"of the C++ core")
            print("of Python", file=sys.stderr)
        assert sys.stderr is stream
        os.write(2, b"of another library")
    assert capfd.readouterr().err == "of Python\nof another library"


def test_a_test_keeps_its_standard_error(capsys):
    stream = sys.stderr
    with connection._own_standard_error():
        assert sys.stderr is stream


@pytest.fixture
def port():
    """One that nothing listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(connection, "_LOOK_EVERY_SECONDS", 0.05)
    monkeypatch.setattr(connection, "_LONGEST_LOOK_SECONDS", 0.15)


def wait_as_a_job_does():
    try:
        threading.Event().wait(30)
    except Exception:
        pytest.fail("it was taken for an error")


def test_a_head_that_is_lost_ends_the_job_in_a_sentence(port, quick):
    handler = signal.getsignal(signal.SIGUSR2)
    lost = f"head of the Ray cluster .127.0.0.1:{port}. is lost: start the same"
    with pytest.raises(RaybelError, match=lost), connection._watch(Head(f"127.0.0.1:{port}", 0.1)):
        wait_as_a_job_does()
    assert signal.getsignal(signal.SIGUSR2) is handler


def test_a_head_that_is_back_in_time_is_not_lost(port, quick, monkeypatch):
    """However often it is away."""
    answers = ([False] * 6 + [True]) * 5  # 0.3 s without one at a time, 1.5 s in all
    monkeypatch.setattr(Head, "answers", lambda head: not answers or answers.pop())
    with connection._watch(Head(f"127.0.0.1:{port}", 1.0)):
        while answers:
            time.sleep(0.01)


def test_a_head_whose_machine_is_gone_is_lost_in_time(port, quick, monkeypatch):
    """A look then takes as long as it waits for an answer."""
    looks = []
    monkeypatch.setattr(connection, "_LONGEST_LOOK_SECONDS", 6.0)

    def answers(head):
        looks.append(time.sleep(0.5))

    monkeypatch.setattr(Head, "answers", answers)
    with pytest.raises(RaybelError, match="is lost"), connection._watch(Head(f"127.0.0.1:{port}", 2.0)):
        wait_as_a_job_does()
    assert len(looks) <= 4, "only the pauses between them were counted"


def test_a_loss_that_is_noticed_as_the_job_ends_is_said_too(port, quick, monkeypatch):
    monkeypatch.setattr(Head, "answers", lambda head: time.sleep(0.5))
    with pytest.raises(RaybelError, match="is lost"), connection._watch(Head(f"127.0.0.1:{port}", 0.2)):
        raise GetTimeoutError("late")


def test_a_process_that_lost_a_cluster_is_told_to_end(monkeypatch):
    monkeypatch.setattr(connection, "_lost", Head("10.0.0.1:6379", 60))
    monkeypatch.setattr(Head, "answers", lambda head: False)
    with (
        pytest.raises(RaybelError, match=r"10\.0\.0\.1:6379. is lost, and this process is still connected"),
        connection.connection(),
    ):
        pass


def test_an_error_of_ray_without_its_head_is_its_loss(port):
    with pytest.raises(RaybelError, match="is lost"), connection._watch(Head(f"127.0.0.1:{port}", 60)):
        raise GetTimeoutError("late")
    with socket.socket() as there:
        there.bind(("127.0.0.1", 0))
        there.listen()
        head = Head(f"127.0.0.1:{there.getsockname()[1]}", 60)
        with pytest.raises(GetTimeoutError), connection._watch(head):
            raise GetTimeoutError("late")


def test_a_job_that_hangs_without_its_head_is_ended(port, quick, monkeypatch, capsys):
    ends = []
    monkeypatch.setattr(connection, "_GRACE_SECONDS", 0.2)
    monkeypatch.setattr(connection.os, "_exit", ends.append)
    monkeypatch.setattr(connection.signal, "pthread_kill", lambda thread, number: None)
    Head(f"127.0.0.1:{port}", 0.1).watch(threading.Event())
    assert ends == [1]
    assert f"raybel: the head of the Ray cluster (127.0.0.1:{port}) is lost" in capsys.readouterr().err


def init(monkeypatch, act):
    monkeypatch.setattr(connection.ray, "init", lambda **options: act())
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    connection._start()


def test_sigterm_while_ray_starts_and_after_it(monkeypatch):
    """Ray's start puts its own handler there, which ends the process with status 15."""

    def ray_takes_it():
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))

    def and_it_comes():
        ray_takes_it()
        signal.raise_signal(signal.SIGTERM)

    def stop(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        init(monkeypatch, ray_takes_it)
        assert signal.getsignal(signal.SIGTERM) is stop
        with pytest.raises(KeyboardInterrupt):
            init(monkeypatch, and_it_comes)
        assert signal.getsignal(signal.SIGTERM) is stop
        with pytest.raises(SystemExit):
            init(monkeypatch, lambda: sys.exit(7))
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_ray_that_cant_be_started_is_a_sentence(monkeypatch):
    def fail():
        raise Exception("The current node timed out during startup.\nand more")

    with pytest.raises(RaybelError, match=r"couldn't be started on this machine: The current node timed out.*again"):
        init(monkeypatch, fail)


def test_a_local_ray_listens_on_loopback_only(local_ray):
    """Ray's log monitor and agents, too; servers of other tests are in this very process."""
    processes = psutil.Process().children(recursive=True)
    assert ray.get_runtime_context().gcs_address.startswith("127.0.0.1:")
    listening = {
        (process.name(), place.laddr.ip)
        for process in processes
        for place in process.net_connections("inet")
        if place.status == psutil.CONN_LISTEN
    }
    assert listening
    assert {each for each in listening if each[1] not in ("127.0.0.1", "::ffff:127.0.0.1", "::1")} == set()
