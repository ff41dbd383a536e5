"""MeSH's XML as an ontology."""

import contextlib
import gzip
import shutil
from pathlib import Path

import pytest

from raybel.errors import InputError
from raybel.ontology import Concept
from raybel.prepare import mesh

FIXTURES = Path(__file__).parents[1] / "fixtures" / "prepare"
EXPECTED = [
    Concept(
        "D900001",
        "Purple Fever",
        ["Fever, Purple", "Violet Ague", "Violet Agues"],
        "A fever that comes with purple spots & a cough.",
        ["descriptor"],
    ),
    Concept("D900002", "Marsh Tonic", ["β-Marsh Tonic"], "", ["descriptor"]),
    Concept("C900001", "bogwortine", ["bogwortine hydrochloride", "marsh tonic"], "", ["supplementary"]),
]


def concepts(directory: Path) -> list[Concept]:
    ontology = mesh.read_ontology(str(directory))
    return [ontology.concept(row) for row in range(len(ontology))]


def resident() -> int:
    """Bytes of this process in memory; libxml2's are not Python's to count."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def record(key: str) -> str:
    return f"<DescriptorRecord><DescriptorUI>{key}</DescriptorUI></DescriptorRecord>"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name in ("desc2015.xml", "supp2015.xml"):
        shutil.copy(FIXTURES / name, tmp_path / name)
    return tmp_path


def test_the_official_layout() -> None:
    assert concepts(FIXTURES) == EXPECTED


def test_gzipped(directory: Path) -> None:
    for name in ("desc2015.xml", "supp2015.xml"):
        (directory / f"{name}.gz").write_bytes(gzip.compress((directory / name).read_bytes()))
        (directory / name).unlink()
    assert concepts(directory) == EXPECTED


@pytest.mark.parametrize("name", ["desc2015.xml", "supp2015.xml"])
def test_a_missing_file(directory: Path, name: str) -> None:
    (directory / name).unlink()
    with pytest.raises(InputError, match=f"{name}\\(.gz\\)"):
        concepts(directory)


def test_no_directory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such directory"):
        concepts(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("", ["isn't well-formed"]),
        ("plain words", ["isn't well-formed", "line 1"]),
        ("<things/>", ["holds no <DescriptorRecord>", "<things>"]),
        ("<html/>", ["isn't MeSH's XML", "a web page", "fetch the file itself"]),
        ("format-version: 1.2\n", ["isn't MeSH's XML", "looks like OBO", "raybel prepare obo --obo"]),
        ("<DescriptorRecordSet>" + record("D1"), ["isn't well-formed"]),
        (f"<S>{record('D1')}{record('D2')}{record('D1')}</S>", ["record 3", "D1", "record 1"]),
        (f"<S>{record('C900001')}</S>", ["supp2015.xml record 1", "C900001", "desc2015.xml record 1"]),
        (f"<S>{record('')}</S>", ["record 1", "no id"]),
        (gzip.compress((FIXTURES / "desc2015.xml").read_bytes(), mtime=0)[:-9], ["cut off"]),
    ],
)
def test_complaints_say_where(directory: Path, content: str | bytes, parts: list[str]) -> None:
    (directory / "desc2015.xml").write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InputError) as caught:
        concepts(directory)
    message = str(caught.value)
    assert [part for part in ["desc2015.xml", *parts] if part not in message] == [], message


def test_an_external_entity_is_not_opened(directory: Path) -> None:
    (directory / "secret").write_text("secret words")
    hostile = '<!DOCTYPE S [<!ENTITY e SYSTEM "secret">]><S><DescriptorRecord><DescriptorUI>D1</DescriptorUI>'
    hostile += "<DescriptorName><String>x&e;</String></DescriptorName></DescriptorRecord></S>"
    (directory / "desc2015.xml").write_text(hostile)
    with contextlib.suppress(InputError):
        assert "secret" not in concepts(directory)[0].name


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is measured on Linux only")
def test_records_are_streamed(tmp_path: Path) -> None:
    path = tmp_path / "desc2015.xml"
    note = f"<Annotation>{'words ' * 2000}</Annotation>"
    entry = f"<DescriptorRecord><DescriptorUI>D1</DescriptorUI>{note}</DescriptorRecord>\n"
    path.write_text("<S>" + entry * 4000 + "</S>")  # 48 MB
    grown, before = 0, None
    for count, _ in enumerate(mesh.read_records(str(path), "DescriptorRecord"), 1):
        if count % 500 == 0:
            before = before or resident()
            grown = max(grown, resident() - before)
    assert count == 4000
    assert grown < 10 << 20
