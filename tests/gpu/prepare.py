"""Fetches what a GPU machine without a network lacks, into folders that git ignores and that can be carried there.

    python tests/gpu/prepare.py [--python 3.12]

- `tests/gpu/.wheels/cp312/`: the small packages that raybel's models need (not Ray, no parser), of the versions in
  constraints.txt, for that Python on x86-64 Linux;
- `tests/gpu/.model.part0`, ...: MiniLM's directory, packed, its weights rounded to fp16 (45 MB in all), in parts of at
  most 50 MB, so that each fits into one transfer.

`run.sh` takes both from there.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).parent
#: What raybel's models import beside numpy, PyArrow, SciPy, PyTorch and transformers.
PACKAGES = ("annotated-types", "anyascii", "isal", "pydantic", "pydantic_core", "syntok", "typing-inspection")
PLATFORMS = ("manylinux2014_x86_64", *(f"manylinux_2_{minor}_x86_64" for minor in (17, 24, 26, 27, 28)))
PART_BYTES = 50_000_000


def constrained() -> list[str]:
    """Return the packages with their versions."""
    wanted = {name.replace("_", "-") for name in PACKAGES}
    lines = (HERE.parents[1] / "constraints.txt").read_text().split()
    found = [line for line in lines if line.split("==")[0].lower().replace("_", "-") in wanted]
    if len(found) != len(wanted):
        raise SystemExit(f"constraints.txt has {found} of {sorted(wanted)}")
    return found


def fetch_wheels(python: str) -> Path:
    """Download the packages for a Python; return their folder."""
    folder = HERE / ".wheels" / f"cp{python.replace('.', '')}"
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--disable-pip-version-check",
        "--no-deps",
        "-d",
        str(folder),
    ]
    command += ["--only-binary=:all:", "--implementation", "cp", "--python-version", python]
    command += [part for platform in PLATFORMS for part in ("--platform", platform)]
    subprocess.run([*command, *constrained()], check=True)
    return folder


def packed(model: Path) -> bytes:
    """Return a model's directory as a tar archive, its weights in fp16."""
    from safetensors.torch import load_file, save

    from raybel.encoders.pretrained import model_files

    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for name, path in model_files(model).items():
            data = path.read_bytes()
            if path.suffix == ".safetensors":
                weights = {
                    key: value.half() if value.is_floating_point() else value for key, value in load_file(path).items()
                }
                data = save(weights, {"format": "pt"})
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return whole.getvalue()


def write_parts(data: bytes, folder: Path, size: int = PART_BYTES) -> list[Path]:
    """Write `.model.part0`, `.model.part1`, ... and return them; older ones are removed."""
    for old in folder.glob(".model.part*"):
        old.unlink()
    paths = []
    for number, start in enumerate(range(0, len(data), size)):
        paths.append(folder / f".model.part{number}")
        paths[-1].write_bytes(data[start : start + size])
    return paths


def main() -> None:
    """Fetch and pack."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default="3.12", help="the GPU machine's Python")
    python = parser.parse_args().python
    from raybel.encoders.pretrained import MINILM, resolve

    wheels = sorted(fetch_wheels(python).glob("*.whl"))
    for path in [*wheels, *write_parts(packed(resolve(MINILM)), HERE)]:
        print(f"{path.stat().st_size / 1e6:6.1f} MB  {path.relative_to(HERE.parents[1])}")


if __name__ == "__main__":
    main()
