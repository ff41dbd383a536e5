"""The types of the whole package, as `make lint` checks them: here beside other tests, since it takes a minute."""

import subprocess
import sys
from pathlib import Path


def test_types():
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-m", "mypy"],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
