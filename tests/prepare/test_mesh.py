"""MeSH's XML as an ontology."""

import contextlib
import gzip
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from raybel.errors import ConfigError, InputError
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
        tree_numbers=["C99.001"],
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


def test_parents_are_one_step_above_in_the_tree(directory: Path) -> None:
    tree = {"D1": ["C1"], "D2": ["C1.5", "D4.1.2"], "D3": ["C1.5.7", "D4.1.2.9", "E8.1"], "D4": ["C1.5.8", "C1.9"]}
    tree |= {"D5": ["D4"], "D6": ["D4.7", "D4.7.1", "C1.5.8"]}
    records = [
        record(key).replace("</DescriptorRecord>", f"<TreeNumberList>{listed}</TreeNumberList></DescriptorRecord>")
        for key, numbers in tree.items()
        for listed in ["".join(f"<TreeNumber>{number}</TreeNumber>" for number in numbers)]
    ]
    (directory / "desc2015.xml").write_text(f"<DescriptorRecordSet>{''.join(records)}</DescriptorRecordSet>")
    read = {concept.concept_id: concept for concept in concepts(directory)}
    assert {key: read[key].tree_numbers for key in tree} == tree
    parents = {key: read[key].parents for key in tree}
    assert parents == {"D1": [], "D2": ["D1"], "D3": ["D2"], "D4": ["D2", "D1"], "D5": [], "D6": ["D5", "D2"]}
    assert read["C900001"].parents == []


def test_gzipped(directory: Path) -> None:
    for name in ("desc2015.xml", "supp2015.xml"):
        (directory / f"{name}.gz").write_bytes(gzip.compress((directory / name).read_bytes()))
        (directory / name).unlink()
    assert concepts(directory) == EXPECTED


def test_any_year_is_prepared(directory: Path) -> None:
    for kind in ("desc", "supp"):
        (directory / f"{kind}2015.xml").rename(directory / f"{kind}2026.xml")
    config = mesh.MeshConfig(mesh_dir=str(directory), out=str(directory / "o.arrow"))
    assert mesh.prepare_mesh(config)["concepts"] == len(EXPECTED)
    shutil.copy(directory / "desc2026.xml", directory / "desc2015.xml")
    with pytest.raises(ConfigError, match="has MeSH of 2015, 2026: say which with --year"):
        mesh.prepare_mesh(config)
    with pytest.raises(InputError, match=r"supp2015\.xml\(\.gz\)"):
        mesh.prepare_mesh(replace(config, year=2015))
    assert mesh.prepare_mesh(replace(config, year=2026))["concepts"] == len(EXPECTED)


def test_a_directory_without_mesh(tmp_path: Path) -> None:
    for folder, part in ((tmp_path, "has no descYEAR.xml"), (tmp_path / "nowhere", "there is no such directory")):
        with pytest.raises(InputError, match=part):
            mesh.prepare_mesh(mesh.MeshConfig(mesh_dir=str(folder), out=str(tmp_path / "o.arrow")))


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
