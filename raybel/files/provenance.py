"""What made an output: the versions of packages, the commit, the version of our own formats."""

from __future__ import annotations

import os
import platform
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

#: Raised when a change of raybel's code changes the bytes of a run.
OUTPUT_FORMAT = 6
_PACKAGES = (
    *("raybel", "ray", "pyarrow", "numpy", "scikit-learn", "sparse-dot-topn", "lxml", "isal", "bioc"),
    *("faiss-cpu", "torch", "transformers"),
)


def versions() -> dict[str, str]:
    """Return the versions of what a run's output depends on."""
    packages = {name: _version(name) for name in _PACKAGES}
    return {**packages, "python": platform.python_version()}


def _version(package: str) -> str:
    """Return a package's version; of a raybel that is imported without being installed, that of its pyproject.toml."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        project = Path(__file__).parents[2] / "pyproject.toml"
        if package != "raybel" or not project.exists():
            raise
        return str(tomllib.loads(project.read_text())["project"]["version"])


def git_hash() -> str | None:
    """Return the commit of the checkout that raybel runs from, None where it is installed as a package."""
    home = Path(__file__).parents[2]
    if not (home / ".git").exists():
        return None
    git = subprocess.run(
        ["git", "-C", str(home), "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
    )
    return git.stdout.strip() or None
