"""One line that says how far a job is: rewritten on a terminal, now and then a line of its own elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from raybel.cli import endings, tables
from raybel.display import counted, duration, percent, rate
from raybel.reporting import logs
from raybel.tuning.trials import score_text

if TYPE_CHECKING:  # they import Ray
    from raybel.jobs.index.config import Embedding
    from raybel.jobs.progress import Progress

#: Seconds between two lines where there is no terminal.
LINE_EVERY = 15.0


def linking(progress: Progress, job: str = "link") -> str:
    """Return progress as one line: files, the share of their bytes that was read, documents, rates, time left.

    Rates are of this start's own work, all else of what earlier starts did too.
    """
    seconds, counts, own = progress.seconds, progress.counts, progress.own
    share = "" if progress.share is None else f" ({100 * progress.share:.0f} % read)"
    parts = [
        f"files {progress.files_before + progress.files_done}/{progress.files_total}{share}",
        f"{counted(counts['documents'], 'document')} ({rate(own['documents'], seconds)}/s)",
        f"{counted(counts['mentions'], 'mention')} ({rate(own['mentions'], seconds)}/s)",
    ]
    if counts["quarantined"]:
        parts.append(f"{counts['quarantined']:,} in quarantine")
    if progress.files_failed:
        parts.append(f"{progress.files_failed} unreadable")
    left = progress.seconds_left
    parts.append(f"{duration(left)} left" if left is not None else "time left unknown")
    return f"{job}: " + ", ".join(parts)


def detecting(progress: Progress) -> str:
    """Return the progress of detection as one line."""
    return linking(progress, "detect")


def embedding(state: Embedding) -> str:
    """Return the progress of an embedding job as one line: chunks, strings, rate, time left."""
    seconds = max(time.time() - state.started, 1e-9)
    left = state.chunks_total - state.chunks_before - state.chunks
    parts = [
        f"chunks {state.chunks_before + state.chunks}/{state.chunks_total}",
        f"{counted(state.strings, 'string')} ({rate(state.strings, seconds)}/s)",
        f"{duration(seconds / state.chunks * left)} left" if state.chunks else "time left unknown",
    ]
    return "embed: " + ", ".join(parts)


def training(state: dict[str, Any]) -> str:
    """Return the progress of the encoder's training as one line: stage, epoch, step, loss."""
    return (
        f"train: {state['stage']}, epoch {state['epoch']}/{state['epochs']}, step {state['step']}/{state['steps']}, "
        f"loss {state['loss']:.4f}"
    )


def epoch_training(state: dict[str, Any]) -> str:
    """Return the progress of a training by epochs as one line: stage, epoch, share of it, loss, scores so far.

    A cross-encoder's score is Acc@1, beside the first stage's; a token classifier's is F1.
    """
    if "epoch" not in state:
        return f"train: {state['stage']}"
    stage = state.get("stage", "training")
    text = "train: " + (f"{stage}, " if stage != "training" else "")
    text += f"epoch {state['epoch']}/{state['epochs']}, {100 * state['done']:.0f} %, loss {state['loss']:.4f}"
    scores, before = state["last"] or {}, state["epoch"] - 1
    if (reached := scores.get("Acc@1")) is not None:
        text += f"; Acc@1 after epoch {before}: {percent(scores['first_stage_Acc@1'])} -> {percent(reached)}"
    if found := scores.get("all"):
        text += f"; F1 after epoch {before}: {percent(found['F1'])}"
    return text


def tuning(state: dict[str, Any]) -> str:
    """Return the progress of a sweep as one line: trials and their epochs, the best so far, time left."""
    if "stage" in state:
        return f"tune: {state['stage']}"
    total = "" if state["samples"] is None else f"/{state['samples']}"
    parts = [f"{state['done']}{total} trials ended", f"{len(state['running'])} running{_epochs(state)}"]
    if state["failed"]:
        parts.append(f"{state['failed']} failed")
    if state["best"] is not None:
        value = score_text(state["metric"], state["best"].value)
        parts.append(f"best {state['metric']} {value} (trial {state['best'].number})")
    parts.append("time left unknown" if state["left"] is None else f"{duration(state['left'])} left")
    return "tune: " + ", ".join(parts)


def _epochs(state: dict[str, Any]) -> str:
    """Return the epochs that the running trials of a sweep are in, nothing where trials have no epochs."""
    if state["max_epochs"] == 1 or not state["running"]:
        return ""
    epochs = ", ".join(str(done + 1) for done in state["running"])
    return f" (epoch{'s' if len(state['running']) > 1 else ''} {epochs} of {state['max_epochs']})"


@contextlib.contextmanager
def show_progress(render: Callable[[Any], str], goes_on: str = "from here") -> Iterator[ProgressLine]:
    """Show a job's progress while it runs; where it is stopped, say how it goes on (`endings`)."""
    line = ProgressLine(render)
    try:
        yield line
    except KeyboardInterrupt:
        line.close()
        endings.stop(f"; the same command goes on {goes_on}")
    finally:
        line.close()


class ProgressLine:
    """Shows a job's progress, as `render` puts it; `close` leaves the terminal clean."""

    def __init__(self, render: Callable[[Any], str]) -> None:
        self.render = render
        self.terminal = sys.stderr.isatty() and not logs.is_json()
        self.shown = 0.0
        self.width = 0

    def __call__(self, progress: Any) -> None:
        """Show where the job is, if it's time to."""
        now = time.time()
        if now - self.shown < (0.2 if self.terminal else LINE_EVERY):
            return
        self.shown = now
        text = self.render(progress)
        if self.terminal:
            text = text[: tables.err.width - 1]
            sys.stderr.write("\r" + text.ljust(self.width))
            sys.stderr.flush()
            self.width = len(text)
        else:
            tables.say(text, style="")

    def close(self) -> None:
        """Clear the line."""
        if self.terminal and self.width:
            sys.stderr.write("\r" + " " * self.width + "\r")
            sys.stderr.flush()
