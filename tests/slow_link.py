"""`raybel link ...` whose actors take a while for each chunk: a job that lasts on any machine.

python tests/slow_link.py SECONDS --in-corpus ...
"""

from __future__ import annotations

import sys
import time

from raybel.cli import run
from raybel.jobs.link import job
from raybel.jobs.link.stage import LinkStage as Stage

SECONDS = float(sys.argv[1]) if __name__ == "__main__" else 0.0


class LinkStage(Stage):
    def part(self, chunk, crashes):
        time.sleep(SECONDS)
        return super().part(chunk, crashes)


if __name__ == "__main__":
    job.LinkStage = LinkStage
    run(["link", *sys.argv[2:]])
