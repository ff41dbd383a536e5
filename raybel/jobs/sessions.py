"""One start of a job, as its workers know it: which one it is, and how they report."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from raybel.reporting import logs
from raybel.reporting.logs import LogFormat


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
        """Have the process that this is called in log as the session does; workers call it with each piece of work."""
        if self.log_format == "json" and not logs.is_json():  # else a driver that debugs would stop that
            logs.use("json")
        logs.process_is_about(self.run)
