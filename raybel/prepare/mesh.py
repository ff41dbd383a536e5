"""MeSH's descriptors and supplementary concepts (NLM's XML files) as an ontology.

Layout: https://www.nlm.nih.gov/mesh/xml_data_elements.html - a `DescriptorRecord` or `SupplementalRecord` holds a name
and a `ConceptList`, whose concepts hold a name and a `TermList`. The official files measure 300 and 700 MB: they are
streamed, and memory grows only with the ontology. Their DTD is not opened.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from lxml import etree

from raybel.config import FilePath, Option, configuration
from raybel.errors import ConfigError, InputError
from raybel.files import kinds, storage
from raybel.ontology import Concept, Ontology
from raybel.prepare.common import build_ontology, find_file, missing_message, open_input
from raybel.prepare.outputs import OntologyOut, write_ontology
from raybel.schemas import ONTOLOGY


class RecordLayout(NamedTuple):
    """How a kind of record is written: the elements of id and name, its concepts' type, its file's name to the year."""

    id_tag: str
    name_tag: str
    type: str
    file_prefix: str


#: The layouts by the element of a record.
RECORDS = {
    "DescriptorRecord": RecordLayout("DescriptorUI", "DescriptorName", "descriptor", "desc"),
    "SupplementalRecord": RecordLayout("SupplementalRecordUI", "SupplementalRecordName", "supplementary", "supp"),
}
_FILE = re.compile(r"(?:desc|supp)(\d{4})\.xml(?:\.gz)?")

#: An option of every corpus whose ids are of that year.
Mesh2015Dir = Annotated[FilePath, Option("Directory with desc2015.xml and supp2015.xml (or .gz).", "DIR")]


@configuration
class MeshConfig:
    """Where MeSH is, and where to write the ontology."""

    mesh_dir: Annotated[
        FilePath,
        Option(
            "Directory with descYEAR.xml and suppYEAR.xml (or .gz).",
            "DIR",
            names=("--mesh-dir", "--mesh2015-dir", "--mesh2021-dir"),
        ),
    ]
    out: OntologyOut
    year: Annotated[int | None, Option("Which year's files.", default="the only one that is there")] = None


def prepare_mesh(config: MeshConfig, say: Callable[[str], None] = lambda line: None) -> dict[str, int]:
    """Write MeSH as an ontology, and return `summary.counts_of` it; `say` gets a line when a longer step begins.

    Raises:
        InputError: See `read_ontology`.
        ConfigError: There are files of several years, and none is asked for.
    """
    year = _year_in(config.mesh_dir) if config.year is None else config.year
    say(f"reading MeSH {year} in {config.mesh_dir}")
    return write_ontology(read_ontology(config.mesh_dir, year), config.out, say)


def _year_in(directory: str) -> int:
    """The year that the names of a directory's files say.

    Raises:
        InputError: There is no such file.
        ConfigError: There are several years.
    """
    found = [match for match in map(_FILE.fullmatch, storage.names(directory)) if match]
    years = sorted({int(match[1]) for match in found})
    if not years:
        raise InputError(missing_message(directory, ("descYEAR.xml", "descYEAR.xml.gz")), path=directory)
    if len(years) > 1:
        raise ConfigError(f"{directory} has MeSH of {', '.join(map(str, years))}: say which with --year")
    return years[0]


def read_ontology(directory: str, year: int = 2015) -> Ontology:
    """Read MeSH of a year from the directory with `desc2015.xml` and `supp2015.xml` (each plain or gzipped).

    Aliases are the terms and names of all concepts of a record; the definition is its preferred concept's scope note.
    A descriptor's parents are those one step above it in the tree: C10.228 is above C10.228.140.

    Raises:
        InputError: A file is missing, isn't MeSH, isn't well-formed or is cut off; a record has no id or appears twice.
    """
    paths: dict[str, str] = {}
    for tag, layout in RECORDS.items():
        names = (f"{layout.file_prefix}{year}.xml", f"{layout.file_prefix}{year}.xml.gz")
        path = find_file(directory, names)
        if path is None:
            raise InputError(missing_message(directory, names), path=directory)
        paths[tag] = path
    concepts = (
        (f"{path} {where}", concept) for tag, path in paths.items() for where, concept in read_records(path, tag)
    )
    return _with_parents(build_ontology(concepts, directory))


def _with_parents(ontology: Ontology) -> Ontology:
    """Return an ontology with the parents that its tree numbers say; a number without one above it says nothing."""
    lists = ontology.table["tree_numbers"].combine_chunks()
    rows = np.asarray(pc.list_parent_indices(lists)).tolist()
    numbers, ids = pc.list_flatten(lists).to_pylist(), ontology.table["concept_id"].to_pylist()
    by_number = {number: ids[row] for number, row in zip(numbers, rows, strict=True)}
    parents: dict[int, dict[str, None]] = {}
    for number, row in zip(numbers, rows, strict=True):
        if (parent := by_number.get(number.rpartition(".")[0])) and parent != ids[row]:
            parents.setdefault(row, {})[parent] = None
    column = pa.array([list(parents.get(row, ())) for row in range(len(ids))], ONTOLOGY.field("parents").type)
    place = ontology.table.schema.get_field_index("parents")
    changed = Ontology(ontology.table.set_column(place, ONTOLOGY.field("parents"), column), path=ontology.path)
    changed.cleaned = ontology.cleaned
    return changed


def read_records(path: str, tag: str) -> Iterator[tuple[str, Concept]]:
    """Yield (place, concept) for each record of a file; memory for one at a time.

    Args:
        path: The XML file, plain or gzipped.
        tag: The element of its records, a key of `RECORDS`.

    Raises:
        InputError: No such records in it; not well-formed; cut off.
    """
    layout = RECORDS[tag]
    count = 0
    kinds.expect(path, "MeSH's XML", kinds.MESH, kinds.XML)
    with open_input(path) as file:
        try:
            context = etree.iterparse(
                file, tag=tag, resolve_entities="internal", no_network=True, load_dtd=False, remove_comments=True
            )
            for _, element in context:
                count += 1
                yield f"record {count}", _concept(element, layout)
                element.clear()
                while element.getprevious() is not None:
                    del element.getparent()[0]
        except etree.XMLSyntaxError as error:
            raise InputError(f"isn't well-formed XML at line {error.lineno or 0}: {error.msg}", path=path) from error
    if not count:
        raise InputError(f"holds no <{tag}> (its root element is <{context.root.tag}>)", path=path)


def _concept(record: Any, layout: RecordLayout) -> Concept:
    """Read a record by paths from its top: a `DescriptorName` further down belongs to another descriptor."""
    aliases, definition = [], ""
    for concept in record.iterfind("ConceptList/Concept"):
        aliases.append(_text(concept, "ConceptName/String"))
        aliases += [_text(term, "String") for term in concept.iterfind("TermList/Term")]
        if concept.get("PreferredConceptYN") == "Y":
            definition = _text(concept, "ScopeNote")
    name = _text(record, f"{layout.name_tag}/String")
    numbers = [(number.text or "").strip() for number in record.iterfind("TreeNumberList/TreeNumber")]
    tree_numbers = list(dict.fromkeys(filter(None, numbers)))
    return Concept(_text(record, layout.id_tag), name, aliases, definition, [layout.type], tree_numbers=tree_numbers)


def _text(element: Any, path: str) -> str:
    return (element.findtext(path) or "").strip()
