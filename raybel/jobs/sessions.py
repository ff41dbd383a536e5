"""One start of a job, as its workers know it: which one it is, and how they report."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from raybel.reporting import logs, tally
from raybel.reporting.logs import LogFormat

#: The session whose work this process does, by its id.
_begun = ""


@dataclass(frozen=True)
class Session:
    """One start of a job.

    Args:
        run: What metrics and logs call its run (`metrics.run_name`).
        id: Identifies the start.
        log_format: What its workers log in: what the process that made this does.
    """

    run: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    log_format: LogFormat = field(default_factory=logs.current_format)

    def begin(self) -> None:
        """Have this process count and log for the session; workers call it with each piece of work.

        What the process counted before is another session's, or nobody's: it isn't published as this one's.
        """
        global _begun
        if _begun != self.id:
            _begun = self.id
            tally.take()
        if self.log_format == "json" and not logs.is_json():  # else a driver that debugs would stop that
            logs.use("json")
        logs.process_is_about(self.run)
