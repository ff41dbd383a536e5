"""The files of `cluster/`, what they say, and the commands in their comments."""

import ast
import copy
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
CLUSTER = ROOT / "cluster"
RAY_UPS = [CLUSTER / "ray-up.yaml", CLUSTER / "ray-up-gcp.yaml"]
JOB, LONG_LIVED = CLUSTER / "kuberay-link.yaml", CLUSTER / "kuberay-cluster.yaml"
#: What is patched, and with what.
QUEUED = [
    (JOB, CLUSTER / "kueue-job.yaml"),
    (LONG_LIVED, CLUSTER / "kueue-cluster.yaml"),
    (JOB, CLUSTER / "volcano.yaml"),
    (LONG_LIVED, CLUSTER / "volcano.yaml"),
]
FILES = sorted(path for path in CLUSTER.iterdir() if path.suffix != ".json")  # a dashboard starts nothing
PATCHES = [patch for _, patch in QUEUED]
#: A field of a configuration, made wrong in some way.
Change = Callable[[dict[str, Any]], object]


def ids(path: Path) -> str:
    return path.name


def load(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


def changed(value: dict[str, Any], change: Change) -> dict[str, Any]:
    made = copy.deepcopy(value)
    change(made)
    return made


def commands_of(path: Path) -> Iterator[list[str]]:
    """Yield the lines of a file's comments that are commands, as words; what a backslash continues is one line."""
    text = path.read_text()
    comments = "\n".join(re.findall(r"(?m)^# ?(.*)", text))
    text = (ast.get_docstring(ast.parse(text)) or "") if path.suffix == ".py" else comments
    for line in text.replace("\\\n", " ").splitlines():
        if re.match(r"\s*(ray job submit|sbatch|raybel|kubectl|docker) ", line):
            yield shlex.split(line, comments=True)
