"""Models are loaded and run by modules that need little: on a GPU machine without Ray, parsers and stores too."""

import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from gpu.prepare import PACKAGES

HOME = Path(__file__).parents[1]
#: What a GPU machine has beside the packages that are carried there.
THERE = {"numpy", "pyarrow", "pyyaml", "regex", "safetensors", "scikit-learn", "scipy", "torch", "transformers"}
#: transformers and torch need them.
THERE |= {"huggingface-hub", "markupsafe"}
MODULES = (
    *("raybel", "raybel.rerank.scoring", "raybel.rerank.reranker", "raybel.encoders.text_encoder"),
    *("raybel.encoders.pretrained", "raybel.detection.token_classifier", "gpu.check", "gpu.bench", "gpu.run"),
)
CODE = """
import importlib, sys

sys.modules.update(dict.fromkeys(sys.argv[1].split(",")))  # so they are as if they weren't installed
for name in sys.argv[2:]:
    importlib.import_module(name)
"""


def refused():
    """The modules of our dependencies that such a machine lacks, by name."""
    declared = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {name.split("[")[0].split(">")[0].lower().replace("_", "-") for name in declared}
    lacking = names - THERE - {name.replace("_", "-") for name in PACKAGES} | {"sentence-transformers"}
    return sorted(
        module
        for module, owners in packages_distributions().items()
        if lacking & {owner.lower().replace("_", "-") for owner in owners}
    )


def test_what_is_refused():
    assert {"ray", "bioc", "fastobo", "faiss", "lxml", "ijson", "wordfreq", "sentence_transformers"} <= set(refused())


def imported(refused, *modules):
    return subprocess.run(
        [sys.executable, "-c", CODE, ",".join(refused), *modules],
        env={"PYTHONPATH": f"{HOME}:{HOME / 'tests'}", "HF_HUB_OFFLINE": "1"},
        text=True,
        capture_output=True,
    )


def test_they_need_nothing_else():
    made = imported(refused(), *MODULES)
    assert made.returncode == 0, made.stderr


def test_what_is_carried_is_needed():
    assert "isal" in imported(["isal"], "raybel.files.storage").stderr
