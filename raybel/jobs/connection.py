"""The Ray of a job: a cluster's, or one started on this machine. It prints nothing, and losing it is an error."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import ray
from ray._private import ray_constants
from ray.exceptions import RayError, RayTaskError

from raybel.errors import RaybelError
from raybel.reporting import logs

_LOG = logging.getLogger(__name__)
#: Bytes of a local object store: chunks are about 1 MB, and back-pressure keeps few of them.
LOCAL_STORE_BYTES = 512 << 20
#: Ray stops a worker that is idle for a second; each of ours takes two seconds of CPU to start and import again.
LOCAL_SYSTEM_CONFIG = {"idle_worker_killing_time_threshold_ms": 60_000, "num_workers_soft_limit": 8}
#: Environment of a Ray that says nothing on its own, for its processes too.
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_WAIT_POLICY": "PASSIVE",
    "KMP_BLOCKTIME": "0",
}
#: What a Ray on this machine needn't have: nobody tells it that it will be preempted.
LOCAL_ENVIRONMENT = {"RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0"}
#: Ray's own setting: seconds without the head after which its C++ core ends the process with lines of its own.
_PATIENCE_VARIABLE, _PATIENCE_SECONDS = "RAY_gcs_rpc_server_reconnect_timeout_s", 60.0
#: The share of them after which we end the job, with ours. A head that is restarted may be back before.
_OUR_SHARE = 0.75
#: Seconds without the head of a local Ray, which nobody restarts.
_LOCAL_PATIENCE_SECONDS = 4.0
_LOOK_EVERY_SECONDS = 2.0
#: Further looks after an error of Ray's.
_LOOKS_AFTER_ERROR = 3
#: What a look may count for: more, and this process was stopped meanwhile.
_LONGEST_LOOK_SECONDS = 3 * _LOOK_EVERY_SECONDS
#: What interrupts the main thread then, and how long it has for its end: calls to Ray may wait for the head.
_LOST, _GRACE_SECONDS = signal.SIGUSR2, 10.0
#: The head that this process was connected to and lost: its Ray can't be shut down, and will end the process.
_lost: Head | None = None


def debugs() -> bool:
    """Whether all that Ray says is wanted: `raybel --debug` lets raybel's own logger through to the last.

    Where lines of JSON are wanted, it isn't: what Ray says is text, and stays in Ray's own logs.
    """
    return not logs.is_json() and logging.getLogger("raybel").isEnabledFor(logging.DEBUG)


@contextlib.contextmanager
def connection() -> Iterator[None]:
    """Have a Ray: this process's; else the one that `RAY_ADDRESS` names; else one started here, and stopped at the end.

    Raises:
        RaybelError: None could be had, or its head was lost.
    """
    global _lost
    if _lost and _lost.answers():
        _lost = None
    if _lost:
        raise RaybelError(f"{_lost} is lost, and this process is still connected to it: start another process")
    if ray.is_initialized():
        yield
        return
    with _own_standard_error():
        only_here = _start()
        is_local = not os.environ.get("RAY_ADDRESS")
        head = Head(ray.get_runtime_context().gcs_address, _patience(is_local), is_local)
        try:
            with _watch(head):
                yield
        except HeadLostError:
            _lost = None if is_local else head
            raise
        finally:
            if not _lost:  # else it would wait for a cluster's head until Ray's core ends the process, in silence
                ray.shutdown()
            _forget(only_here)


def _forget(names: list[str]) -> None:
    for name in names:
        os.environ.pop(name, None)


def _start() -> list[str]:
    """Connect, or start a Ray; return the variables that were set for the latter, which others shouldn't see."""
    only_here: list[str] = []
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if not debugs():
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": debugs()}
    try:
        with _handler_kept():
            if os.environ.get("RAY_ADDRESS"):
                ray.init(**options)
            else:
                only_here = [name for name in LOCAL_ENVIRONMENT if name not in os.environ]
                os.environ.update({name: LOCAL_ENVIRONMENT[name] for name in only_here})
                with loopback_only():
                    ray.init(
                        address="local",
                        include_dashboard=False,
                        object_store_memory=LOCAL_STORE_BYTES,
                        _system_config=LOCAL_SYSTEM_CONFIG,
                        **options,
                    )
    except Exception as error:  # Ray raises bare ones, of a machine that is too busy among others
        _forget(only_here)
        where = os.environ.get("RAY_ADDRESS")
        what = f"the Ray at {where} (RAY_ADDRESS) can't be used" if where else "Ray couldn't be started on this machine"
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise RaybelError(f"{what}: {lines[0]}; start the same command again, with --debug for all of it") from error
    return only_here


@contextlib.contextmanager
def loopback_only() -> Iterator[None]:
    """Have a Ray that is started here listen on 127.0.0.1: nobody else is to reach it.

    Ray has that as an option of an environment variable, which it reads when it is imported.
    """
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


@contextlib.contextmanager
def _handler_kept() -> Iterator[None]:
    """Keep this process's handler of SIGTERM: Ray puts one in its place, which ends the process with status 15."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    terminated = False
    try:
        yield
    except SystemExit as ended:
        terminated = ended.code == signal.SIGTERM
        if not terminated:
            raise
    finally:
        signal.signal(signal.SIGTERM, before)
    if terminated:
        signal.raise_signal(signal.SIGTERM)


@contextlib.contextmanager
def _own_standard_error() -> Iterator[None]:
    """Keep the terminal to Python: what Ray's C++ core writes to this process's standard error goes nowhere.

    It writes stacks, and ends of the logs of processes that died. Python's `sys.stderr` writes to where it did.
    """
    stream = sys.stderr
    if debugs() or not _is_standard_error(stream):
        yield
        return
    stream.flush()
    terminal, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    sys.stderr = open(terminal, "w", 1, encoding=stream.encoding, errors=stream.errors, closefd=False)  # noqa: SIM115
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(terminal, 2)
        sys.stderr = stream
        os.close(terminal)


def _is_standard_error(stream: Any) -> bool:
    """True if a stream writes to the process's standard error; a test's, which keeps what is written, doesn't."""
    try:
        return bool(stream.fileno() == 2)
    except (AttributeError, OSError, ValueError):
        return False


class HeadLostError(RaybelError):
    """The head of the Ray that a job runs on is lost."""


class HeadLost(BaseException):
    """Raised in the main thread, wherever it is, once the head is lost: no handler of errors is to take it for one."""


class Head:
    """The process of a Ray that knows all others (its GCS), as far as it can be seen from here.

    Args:
        address: HOST:PORT.
        patience: Seconds without an answer after which it is lost.
        is_local: Whether it was started by this process, else by a cluster.
    """

    def __init__(self, address: str, patience: float, is_local: bool = False) -> None:
        self.address, self.patience, self.is_local = address, patience, is_local

    def __str__(self) -> str:
        return f"the head of {'the local Ray' if self.is_local else 'the Ray cluster'} ({self.address})"

    @property
    def loss(self) -> str:
        """What is said once it is lost."""
        when = "" if self.is_local else ", once there is a Ray"
        return f"{self} is lost: start the same command again{when}; what is finished stays"

    def answers(self) -> bool:
        """True if it takes connections."""
        host, _, port = self.address.rpartition(":")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), timeout=_LOOK_EVERY_SECONDS):
                return True
        except OSError:
            return False

    def watch(self, stop: threading.Event) -> None:
        """Look after it until told to stop. Once it is lost, interrupt the main thread; where that hangs, end all."""
        silent, looked = 0.0, time.monotonic()
        while not stop.wait(_LOOK_EVERY_SECONDS):
            answers, before, looked = self.answers(), looked, time.monotonic()
            silent = 0.0 if answers else silent + min(looked - before, _LONGEST_LOOK_SECONDS)
            if silent >= self.patience:
                signal.pthread_kill(threading.main_thread().ident or 0, _LOST)
                if not stop.wait(_GRACE_SECONDS):
                    if logs.is_json():
                        _LOG.critical(self.loss)
                    else:
                        print(f"raybel: {self.loss}", file=sys.stderr, flush=True)
                    os._exit(1)
                return


def _patience(is_local: bool) -> float:
    if is_local:
        return _LOCAL_PATIENCE_SECONDS
    return _OUR_SHARE * float(os.environ.get(_PATIENCE_VARIABLE, _PATIENCE_SECONDS))


@contextlib.contextmanager
def _watch(head: Head) -> Iterator[None]:
    """Raise an error of ours once the head is lost, before Ray's C++ core ends the process without one.

    Only the main thread can be interrupted: a job in another one has Ray's end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    stop, ends = threading.Event(), threading.Event()

    def interrupt(number: int, frame: Any) -> None:
        if not ends.is_set():
            raise HeadLost

    before = signal.signal(_LOST, interrupt)
    thread = threading.Thread(target=head.watch, args=(stop,), name="raybel head", daemon=True)
    thread.start()
    try:
        try:
            yield
        except RayTaskError:  # a worker's own
            raise
        except RayError as error:  # what it was asked for may fail before it is lost for long enough
            ends.set()
            if any(head.answers() for _ in range(_LOOKS_AFTER_ERROR)):
                raise
            raise HeadLostError(head.loss) from error
        finally:
            ends.set()
    except HeadLost as error:
        raise HeadLostError(head.loss) from error
    finally:
        stop.set()
        thread.join()
        signal.signal(_LOST, before)
