"""The versions that an output names: also of a raybel that is run from where a cluster unpacked it."""

import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from raybel.files import provenance


def missing(package: str) -> None:
    """Stand in for `metadata.version` where one package isn't installed."""
    raise metadata.PackageNotFoundError(package)


def test_raybel_has_a_version_without_being_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    installed = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: missing(name) if name == "raybel" else installed(name))
    versions = provenance.versions()
    assert versions["raybel"] == project["version"]
    assert versions["pyarrow"] == installed("pyarrow")


def test_no_other_package_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", missing)
    monkeypatch.setattr(provenance, "_PACKAGES", ("pyarrow",))
    with pytest.raises(metadata.PackageNotFoundError):
        provenance.versions()
