"""What happens when a GPU fails: a batch that it has too little memory for is halved; errors say what it is."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

from raybel.errors import DeviceError

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
#: The devices whose lack of memory this process has logged.
_TOLD: set[str] = set()


@contextlib.contextmanager
def device_errors(device: str) -> Iterator[None]:
    """Have a GPU's errors raised as ours.

    Args:
        device: `cpu` or a CUDA device, for messages.

    Raises:
        DeviceError: The GPU fails, or has too little memory.
    """
    try:
        yield
    except (torch.OutOfMemoryError, torch.AcceleratorError) as error:
        raise DeviceError(f"{device}: {_first_line(error)}") from error


def in_halves(rows: Sequence[int], run: Callable[[Sequence[int]], T], device: str) -> list[T]:
    """Run a batch; where memory is too small for it, run its halves, and their halves, one after the other.

    That it happened is logged once in a process. Results are those of the whole batch but for rounding, since a GPU
    runs another kernel for another number of rows.

    Args:
        rows: The batch, at least one row.
        run: Computes some of its rows, in order. What it did for rows that it is given again must not count twice.
        device: `cpu` or a CUDA device, for messages.

    Returns:
        The results of the parts that the batch was run in, in order.

    Raises:
        torch.OutOfMemoryError: There is too little memory for a single row.
    """
    try:
        return [run(rows)]
    except torch.OutOfMemoryError as error:
        if len(rows) == 1:
            raise
        reason = _first_line(error)
    # Only behind the `except` is nothing left that holds the tensors of the failed try: the error's traceback does.
    _tell(device, len(rows), reason)
    torch.cuda.empty_cache()
    middle = (len(rows) + 1) // 2
    return in_halves(rows[:middle], run, device) + in_halves(rows[middle:], run, device)


def _tell(device: str, rows: int, reason: str) -> None:
    if device not in _TOLD:
        _TOLD.add(device)
        _LOG.warning(
            "%s has too little memory for a batch of %d rows, which is computed in halves, as others will be: nothing "
            "is lost, but time is. Fewer processes on the GPU leave more memory to each (%s)",
            device,
            rows,
            reason,
        )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
