import json
import subprocess
import sys
import time

import click
import pyarrow as pa
import pytest
from click.testing import CliRunner
from faulty_store import FaultyStore
from ray_fixture import documents, one
from samples import annotation, collection, document, passage, save

from raybel.cli import main
from raybel.cli.link import summary
from raybel.cli.progress import ProgressLine, linking
from raybel.errors import ConfigError
from raybel.jobs.progress import Progress
from raybel.jobs.shard_job import RunResult
from raybel.runs.inputs import find_inputs
from raybel.runs.refusals import refuse_long_names
from raybel.schemas import SHARD_COUNTS

WRONG = document("wrong", passage("Anemia", annotation("Asthma", (0, 6)), offset=-2))


def run(*arguments):
    return CliRunner().invoke(main, [str(each) for each in arguments])


@pytest.fixture
def corpus(tmp_path):
    save(tmp_path / "corpus" / "a.xml", collection(*documents("a", 12)))
    save(tmp_path / "corpus" / "b.xml.gz", collection(*documents("b", 6)))
    return tmp_path / "corpus"


def base(model, run_dir):
    return ["--out-corpus", run_dir, "--ontology", model.ontology, "--ngrams-model", model.ngrams]


def test_what_a_re_ranker_saves_is_said(capsys):
    counts = dict.fromkeys(SHARD_COUNTS.names, 0)
    counts |= {"shard": "a.gz", "documents": 9, "sure": 3, "unsure": 1, "pairs": 20, "pairs_saved": 15}
    progress = Progress(1, own={"documents": 9, "mentions": 4})
    result = RunResult(
        *("run", pa.Table.from_pylist([counts], SHARD_COUNTS), progress, {}, (0, []), [], []),
        tokens={"candidates": 7, "reranking": 1_234},
    )
    summary(result)
    said = " ".join(capsys.readouterr().out.split())
    assert "sure, not re-ranked (75.0 %) 3" in said
    assert "needn't be scored (75.0 %) 15" in said
    assert "tokens that the re-ranker read 1,234" in said
    progress.own["documents"] = 5  # an earlier start did the others
    summary(result)
    assert "tokens that the re-ranker read, in this start 1,234" in " ".join(capsys.readouterr().out.split())


def test_link(local_ray, model, corpus, tmp_path):
    done = run("link", "--in_corpus", corpus, *base(model, tmp_path / "run"), "--metric_file", tmp_path / "m.parquet")
    assert done.exit_code == 0, done.output
    words = " ".join(done.stdout.split())
    for said in ("shards 2", "documents 18", "mentions 18", "linked 15", "without candidates 3", "documents/s"):
        assert said in words
    assert (tmp_path / "m.parquet").exists()

    again = run("link", corpus, *base(model, tmp_path / "run"))
    assert "of them from earlier starts 2" in " ".join(again.stdout.split())


def test_a_file_of_options_and_flags_over_it(local_ray, model, corpus, tmp_path):
    options = tmp_path / "link.yaml"
    options.write_text(
        f"in-corpus: {corpus}\nout_corpus: {tmp_path / 'run'}\nontology: {model.ontology}\n"
        f"ngrams_model: {model.ngrams}\ntop-k: 3\nactors: 1\nchunk_documents: 4\n"
    )
    assert run("link", "--config", options, "--top_k", 2).exit_code == 0
    manifest = (tmp_path / "run" / "manifest.json").read_text()
    for said in ('"top_k": 2', '"actors": 1', '"chunk_documents": 4'):
        assert said in manifest
    options.write_text("in_corpus: x\ntop_q: 3\n")
    done = run("link", "--config", options)
    assert done.exit_code == 1
    assert "`main link` has no option top_q; did you mean top_k?" in done.stderr


def test_unreadable_files_bad_documents_and_repeated_ids(local_ray, model, corpus, tmp_path):
    save(corpus / "c.xml", "<html/>")
    save(corpus / "d.xml", collection(WRONG, one("a1", "Anemia")))
    arguments = ["link", corpus, *base(model, tmp_path / "run")]
    done = run(*arguments, "--max-bad-fraction", 1)
    assert done.exit_code == 3, done.output
    assert f"not read: {corpus / 'c.xml'}" in done.stderr
    assert "1 input file couldn't be read: fix this and run the same command" in done.stderr
    assert "quarantine: " in done.stdout
    assert "2 documents with an id that another one has, such as a1" in done.stdout
    assert "finished, but 1 input file couldn't be read" in run("status", tmp_path / "run").stdout
    done = run(*arguments)
    assert done.exit_code == 1
    assert "--max-bad-fraction" in done.stderr


def test_lookup(local_ray, model, corpus, tmp_path):
    save(corpus / "c.xml", "<html/>")
    common = ["--ontology", model.ontology, "--ngrams_model", model.ngrams, "--ranges", 2]
    metrics = tmp_path / "metrics.json"
    done = run("lookup", "--in-corpus", corpus, "--output", tmp_path / "l", "--metric-file", metrics, *common)
    assert done.exit_code == 3, done.output
    assert {"mentions": 18, "surfaces": 6, "found": 5}.items() <= json.loads(metrics.read_text()).items()
    words = " ".join(done.stdout.split())
    assert "mentions 18 distinct surfaces 6 with candidates 5" in words
    assert "not read:" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        (["link"], 2, "Missing option '--out-corpus'"),
        (["link", "x", "--top-k", "many"], 2, "not a valid integer"),
        (["link", "--nonsense"], 2, "No such option"),
        (
            ["link", "x", "--out-corpus", "r", "--ontology", "/none.arrow", "--ngrams-model", "m"],
            1,
            "`raybel prepare` makes one",
        ),
        (["link", "--config", "/none.yaml"], 1, "/none.yaml: no such file"),
        (["lookup", "--in-corpus", "x"], 2, "Missing option"),
    ],
)
def test_errors_are_sentences(arguments, status, reason):
    done = run(*arguments)
    assert done.exit_code == status
    assert reason in done.stderr
    assert "Traceback" not in done.output


@pytest.fixture
def store():
    faulty = FaultyStore("link")
    yield faulty
    faulty.close()


def link_errors(model, *arguments):
    done = run("link", *arguments, "--ontology", model.ontology, "--ngrams-model", model.ngrams)
    assert done.exit_code == 1
    assert "Traceback" not in done.output
    assert "secret" not in done.output
    return done.stderr


def test_a_store_that_does_not_let_list(model, store, tmp_path):
    arguments = ["--in-corpus", str(save(tmp_path / "a.xml", collection(one("a", "Anemia")))), "--out-corpus"]
    store.fault = lambda method, path: 403 if path in ("", "/") else None
    said = link_errors(model, *arguments, store.uri("run"))
    assert "s3://link/run" in said
    assert "can't be looked up: " in said
    assert "ACCESS_DENIED" in said
    store.fault = lambda method, path: 403 if path in ("", "/") or method == "HEAD" else None  # none is no secret there
    assert "ACCESS_DENIED" in link_errors(model, *arguments, store.uri("run"))
    store.fault = lambda method, path: None
    elsewhere = store.uri("run").replace("@link", "@nosuchbucket")
    assert "NoSuchBucket" in link_errors(model, *arguments, elsewhere)


def test_a_name_that_is_too_long_for_its_outputs(model, store, tmp_path):
    store.client.put_object(Bucket="link", Key=f"in/{'n' * 290}.xml", Body=collection(one("a", "Anemia")).encode())
    said = link_errors(model, "--in-corpus", store.uri("in"), "--out-corpus", str(tmp_path / "run"))
    assert "nnn.xml" in said
    assert "its name is too long for the run directory" in said
    fits, long = (save(tmp_path / name / ("m" * length + ".xml"), "") for name, length in (("a", 226), ("b", 227)))
    assert "its name is too long" in link_errors(model, "--in-corpus", str(long), "--out-corpus", str(tmp_path / "run"))
    refuse_long_names(str(tmp_path / "run"), find_inputs([str(fits)], ""))
    refuse_long_names(store.uri("run"), find_inputs([str(long)], ""))
    assert not (tmp_path / "run").exists()


def test_debug_shows_where_an_error_is_from():
    done = run("--debug", "link", "x", "--out-corpus", "r", "--ontology", "o")
    assert isinstance(done.exception, ConfigError)


def progress(**changes):
    counts = {"documents": 1200, "mentions": 2400, "quarantined": 0}
    made = {"files_done": 2, "files_before": 1, "bytes_total": 100, "bytes_done": 25, "started": time.time() - 10}
    own = {"documents": 1200, "mentions": 2400}
    return Progress(**{"files_total": 8, "counts": counts, "own": own, **made, **changes})


def test_progress_is_a_line():
    said = linking(progress())
    assert said == "link: files 3/8 (25 % read), 1,200 documents (120/s), 2,400 mentions (240/s), 30 s left"
    # What an earlier start did is counted, and is no work of this one.
    assert "1,200 documents (50/s), 2,400 mentions (0.0/s)" in linking(progress(own={"documents": 500, "mentions": 0}))
    counts = {"documents": 10, "mentions": 0, "quarantined": 4}
    said = linking(progress(counts=counts, files_failed=2, bytes_done=0))
    assert said.endswith("4 in quarantine, 2 unreadable, time left unknown")


def test_what_earlier_starts_did_says_nothing_of_the_time_left():
    resumed = progress(bytes_done=60, bytes_skipped=50, bytes_before=100)
    assert linking(resumed).startswith("link: files 3/8 (80 % read), ")
    assert linking(resumed).endswith("40 s left")
    assert progress(bytes_done=50, bytes_skipped=60).seconds_left is None
    assert progress(files_total=3, bytes_done=100, bytes_skipped=100).seconds_left == 0
    assert progress(bytes_total=0, bytes_done=0).share is None


def test_lines_come_now_and_then(capsys):
    shown = ProgressLine(linking)
    for _ in range(3):
        shown(progress())
    shown.close()
    assert capsys.readouterr().err.count("link: files") == 1


def leaves(command, path=()):
    if not isinstance(command, click.Group):
        return [path]
    context = click.Context(command)
    names = command.list_commands(context)
    return [leaf for name in names for leaf in leaves(command.get_command(context, name), (*path, name))]


def test_every_help_has_an_example_and_needs_no_ray():
    paths = leaves(main)
    assert ("link",) in paths
    script = (
        "import sys; from raybel.cli import main\n"
        f"for path in {paths!r}: main([*path, '--help'], standalone_mode=False); print('=====')\n"
        "assert 'ray' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for path, said in zip(paths, done.stdout.split("====="), strict=False):
        assert "Example" in said, path
        assert f"raybel {' '.join(path)} " in said.split("Example")[1]
