"""What the tests of the Ray jobs share: a small model, small corpora, a run directory's bytes, processes to kill."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from lxml import etree
from ray._private import services
from ray.cluster_utils import Cluster
from samples import collection, json_annotation, json_document, save, simple_document

from raybel.candidates.ngrams import NgramGenerator
from raybel.candidates.parameters import NgramParameters
from raybel.config import configured
from raybel.jobs.link.config import LinkConfig
from raybel.ontology import Concept, Ontology

RAYBEL = str(Path(sys.executable).parent / "raybel")
#: Surface -> the concept that it is linked to, None for none.
LINKS = {
    "Anemia": "D1",
    "bronchial asthma": "D2",
    "breast carcinoma": "D3",
    "Diabetes mellitus": "D4",
    "cystic fibrosis": "D5",
    "xqzwk": None,
}
SURFACES = list(LINKS)
CONCEPTS = (
    Concept("D1", "Anemia", ["anaemia"]),
    Concept("D2", "Asthma", ["bronchial asthma"]),
    Concept("D3", "Breast cancer", ["breast carcinoma"]),
    Concept("D4", "Diabetes mellitus"),
    Concept("D5", "Cystic fibrosis", ["mucoviscidosis"]),
)
MARK = "RAYBEL_TEST_PROCESS"


@dataclass(frozen=True)
class Model:
    ontology: str
    ngrams: str

    def config(self, corpus: Any, run: Any, **options: Any) -> LinkConfig:
        """A link job; `corpus` is a path or a list of them."""
        paths = tuple(str(each) for each in (corpus if isinstance(corpus, list) else [corpus]))
        if "candidates_lookup" not in options:
            options.setdefault("ngrams_model", self.ngrams)
        own = {"in_corpus": paths, "out_corpus": str(run), "ontology": self.ontology}
        groups = {name: options.pop(name) for name in ("generator", "resources") if name in options}
        options = {name: value for name, value in options.items() if value is not None}
        return configured(LinkConfig, own | options, **groups)


def make_model(home: Path, concepts: tuple[Concept, ...] = CONCEPTS) -> Model:
    ontology = Ontology.from_concepts(concepts)
    ontology.save(str(home / "ontology.arrow"))
    NgramGenerator.build(ontology, NgramParameters()).save(str(home / "ngrams"))
    return Model(str(home / "ontology.arrow"), str(home / "ngrams"))


def one(name: str, mention: str) -> str:
    """A document with one mention."""
    return simple_document(name, f"A case of {mention} here.", mention)


def documents(prefix: str, count: int) -> list[str]:
    return [one(f"{prefix}{i}", SURFACES[i % len(SURFACES)]) for i in range(count)]


def three_files(home: Path, count: int = 12) -> Path:
    """A gzipped XML file, a plain one, and a JSON file."""
    save(home / "a.xml.gz", collection(*documents("a", count)))
    save(home / "b.xml", collection(*documents("b", count)))
    records = []
    for i in range(count):
        mention = SURFACES[i % len(SURFACES)]
        place = json_annotation(mention, (10, len(mention)), concept_id="D1")
        records.append(json_document(f"c{i}", f"A case of {mention} here.", place))
    save(home / "c.json", {"source": "s", "date": "", "key": "", "infons": {}, "documents": records})
    return home


def corpus_of(home: Path, files: int, count: int) -> Path:
    for number in range(files):
        save(home / f"f{number}.xml.gz", collection(*documents(f"{number}-", count)))
    return home


def outputs(run: Path, leave_out: tuple[str, ...] = ()) -> dict[str, bytes]:
    """All that must be the same in two runs: every file but logs, lock and manifest (it names the run directory)."""
    gone = ("logs/", ".lock", "manifest.json", *leave_out)
    files = {str(path.relative_to(run)): path for path in sorted(run.rglob("*")) if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if not name.startswith(gone)}


def xml_infons(shard: Path) -> dict[str, dict[str, str]]:
    """Infons of each document's first annotation."""
    root = etree.fromstring(gzip.decompress(shard.read_bytes()))
    return {
        each.findtext("id"): {infon.get("key"): infon.text for infon in each.iterfind(".//annotation[1]/infon")}
        for each in root.iterfind("document")
    }


def json_infons(shard: Path) -> dict[str, dict[str, str]]:
    records = json.loads(gzip.decompress(shard.read_bytes()))["documents"]
    return {each["id"]: each["passages"][0]["annotations"][0]["infons"] for each in records}


def clean_environment() -> dict[str, str]:
    """A shell's variables, without another Ray's, with a mark by which we find our processes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return {**kept, "RAY_AUTH_MODE": "disabled", MARK: uuid.uuid4().hex}


@contextlib.contextmanager
def command(*arguments: object, program: tuple[str, ...] = (RAYBEL,), **variables: str) -> Iterator[Any]:
    """`raybel ...` in a session of its own; what is left of it (a killed driver's Ray) is killed at the end.

    Args:
        arguments: Of the command.
        program: What is run in the place of `raybel`.
        variables: Of the environment, beside a shell's.
    """
    environment = clean_environment() | variables
    process = subprocess.Popen(
        [*program, *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    try:
        yield process
    finally:
        for _ in range(3):  # one that is killed may just have started another
            left = list(marked(environment[MARK]))
            for each in left:
                with contextlib.suppress(psutil.Error):
                    each.kill()
            psutil.wait_procs(left, timeout=10)
        process.communicate()


def wait_for(condition: Callable[[], Any], job: Any, seconds: float = 300.0) -> None:
    """Wait until a condition holds while a `command` runs; fail where it ends before, or takes longer."""
    ends = time.monotonic() + seconds
    while not condition():
        assert job.poll() is None, job.communicate()[0]
        assert time.monotonic() < ends, "it took too long"
        time.sleep(0.05)


def marked(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                yield process


@contextlib.contextmanager
def cluster() -> Iterator[Any]:
    """A cluster of a head without CPUs, which other processes reach, as they do nodes added with `node()`.

    A Ray of the tests' own process listens on the loopback address alone, and Ray would take that for a cluster's too.
    """
    made = Cluster(initialize_head=True, head_node_args={**node(), "num_cpus": 0})
    try:
        yield made
    finally:
        made.shutdown()


def node() -> dict[str, Any]:
    """Arguments of `Cluster.add_node` for a node of one CPU."""
    address = services.node_ip_address_from_perspective()
    return {"num_cpus": 1, "object_store_memory": 80 << 20, "node_ip_address": address}


def stages(parent: int | None = None) -> list[psutil.Process]:
    """The LinkStage actors below a process."""
    found = []
    for process in psutil.Process(parent).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "LinkStage" in " ".join(process.cmdline()):
                found.append(process)
    return found
