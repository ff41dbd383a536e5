"""How executions of Datasets begin and end in a job: their actors are killed, and none outlives the job's Ray."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from weakref import WeakKeyDictionary

from ray.data._internal.execution.execution_callback import ExecutionCallback
from ray.data._internal.execution.streaming_executor import StreamingExecutor

from raybel.jobs.connection import HeadLost
from raybel.jobs.joins import UsesNewNodes
from raybel.jobs.starts import WatchesStarts
from raybel.jobs.stragglers import EndsStragglers

_LOG = logging.getLogger(__name__)
#: The executions of Datasets that may not have ended, and the threads of this process in which they began.
_executions: WeakKeyDictionary[StreamingExecutor, int] = WeakKeyDictionary()


@contextlib.contextmanager
def executions_ended() -> Iterator[None]:
    """End the executions that began in here, in this thread, and that an interruption left.

    Ray Data does so when it collects them as garbage, by when there is no Ray any more: it would connect anew, and
    print a traceback.
    """
    before = _executions.keyrefs()
    try:
        yield
    except HeadLost:
        for each in _executions.keyrefs():
            _give_up(each())
        raise
    finally:
        for execution in [each() for each in _executions.keyrefs() if each not in before]:
            if execution is not None and _executions.get(execution) == threading.get_ident():
                try:
                    execution.shutdown(True)
                except Exception as error:  # of a Ray that is being lost; what ended the job is told
                    _LOG.debug(f"a Dataset couldn't be ended: {error}")
                _executions.pop(execution, None)


class _KillsActors(ExecutionCallback):
    """Has a Dataset that fails kill its actors.

    Ray Data only lets go of them, so that they keep their CPUs as long as anything refers to them (the error that was
    raised, a record of the log, garbage that isn't collected yet), and the next job could never start.
    """

    def before_execution_starts(self, executor: StreamingExecutor) -> None:
        """Have a shutdown with an exception be a forced one."""
        _executions[executor] = threading.get_ident()
        gentle = executor.shutdown

        def shutdown(force: bool, exception: BaseException | None = None) -> None:
            if isinstance(exception, HeadLost):
                _give_up(executor)
            gentle(force or exception is not None, exception)

        executor.shutdown = shutdown

    def after_execution_succeeds(self, executor: StreamingExecutor) -> None:
        """Note that it ended."""
        _executions.pop(executor, None)

    def after_execution_fails(self, executor: StreamingExecutor, error: Exception) -> None:
        """Note that it ended."""
        _executions.pop(executor, None)


def _give_up(execution: StreamingExecutor | None) -> None:
    """Have an execution whose Ray has no head pass for ended: nothing that its end would ask for would answer."""
    if execution is not None:
        execution._shutdown = True


CALLBACKS: tuple[type[ExecutionCallback], ...] = (_KillsActors, WatchesStarts, EndsStragglers, UsesNewNodes)
