import gzip
import os
import random
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
import ray
from ray_fixture import (
    CONCEPTS,
    LINKS,
    SURFACES,
    command,
    corpus_of,
    documents,
    json_infons,
    make_model,
    one,
    outputs,
    stages,
    three_files,
    xml_infons,
)
from samples import annotation, collection, document, passage, save

from raybel.candidates.base import CandidateCache
from raybel.config import GeneratorPaths, Resources
from raybel.corpus.chunks import Finished, FinishedChunk, read_chunks
from raybel.errors import BadFractionError, ConfigError, InputError, LockedError, MismatchError, RaybelError
from raybel.files import locks, storage
from raybel.jobs.link import job, stage
from raybel.jobs.link.job import link
from raybel.jobs.runtime import Allocation
from raybel.jobs.sessions import Session
from raybel.runs.inputs import find_inputs
from raybel.runs.run_directory import RunDirectory
from raybel.schemas import DOCUMENTS, MENTIONS, SHARD_COUNTS

WRONG = document("wrong", passage("Anemia", annotation("Asthma", (0, 6)), offset=-2))
BOMB = (
    '<?xml version="1.0"?><!DOCTYPE c [<!ENTITY a0 "aaaaaaaaaa">'
    + "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10))
    + "]><collection><source>&a9;</source></collection>"
)


@pytest.fixture(scope="module")
def base(local_ray, model, tmp_path_factory):
    """An unbroken run over three files: its configuration and result. Not to be changed."""
    home = tmp_path_factory.mktemp("base")
    config = model.config(three_files(home / "corpus"), home / "run", chunk_documents=5)
    return config, link(config)


def test_end_to_end(base):
    config, result = base
    run = Path(config.out_corpus)
    names = ["a.xml.gz", "b.xml.gz", "c.json.gz"]
    assert sorted(path.name for path in (run / "shards").iterdir()) == names
    for name in names:
        infons = (json_infons if "json" in name else xml_infons)(run / "shards" / name)
        assert list(infons) == [f"{name[0]}{i}" for i in range(12)]
        assert [each.get("link_id") for each in infons.values()] == [LINKS[s] for s in SURFACES] * 2
        assert {each["concept_id"] for each in infons.values()} == {"D1"}
    assert infons["c1"]["link_name"] == "Asthma"
    assert infons["c1"]["all_links"].startswith("D2=1.0000")
    mentions = pq.read_table(run / "mentions" / "b.xml.gz.parquet")
    assert mentions.schema.equals(MENTIONS)
    assert (mentions.num_rows, mentions["document"].to_pylist()) == (12, list(range(12)))
    rows = pq.read_table(run / "documents" / "b.xml.gz.parquet")
    assert rows.schema.equals(DOCUMENTS)
    assert rows["doc_id"].to_pylist() == [f"b{i}" for i in range(12)]
    counts = pq.read_table(run / "counts.parquet")
    assert counts.schema.equals(SHARD_COUNTS)
    assert counts.equals(result.counts)
    assert counts.to_pylist() == [
        {"shard": name, "documents": 12, "mentions": 12, "linked": 10, "without_candidates": 2, "repairs": 0,
         "sure": 0, "unsure": 0, "pairs": 0, "pairs_saved": 0, "set_aside": 0, "quarantined": 0, "deleted": 0,
         "unreadable": 0, "passed_over": 0} for name in names
    ]  # fmt: skip
    manifest = storage.read_json(str(run / "manifest.json"))
    assert manifest["identity"]["top_k"] == 10
    assert manifest["versions"]["ray"] == ray.__version__
    assert not (run / "parts").exists()
    assert not list(run.glob("quarantine/*"))
    assert (result.failed, result.repeated, result.top_errors) == ({}, (0, []), [])
    assert (result.progress.files_done, result.progress.chunks) == (3, 9)
    assert result.progress.seconds_left == 0


def test_a_second_start_does_only_what_is_to_do(base, tmp_path):
    config, first = base
    shutil.copytree(config.in_corpus[0], tmp_path / "corpus")
    config = replace(config, in_corpus=(str(tmp_path / "corpus"),), out_corpus=str(tmp_path / "run"))
    link(config)
    shards = tmp_path / "run" / "shards"

    def times():
        return {path.name: path.stat().st_mtime_ns for path in shards.iterdir()}

    before, held = times(), outputs(tmp_path / "run")
    again = link(replace(config, metric_file=str(tmp_path / "m" / "counts.parquet")))
    assert times() == before
    assert outputs(tmp_path / "run") == held
    assert again.counts.equals(first.counts)
    assert (again.progress.files_before, again.progress.files_done) == (3, 0)
    assert pq.read_table(tmp_path / "m" / "counts.parquet").equals(first.counts)

    save(tmp_path / "corpus" / "b.xml", collection(*documents("new", 3)))
    result = link(config)
    assert {name for name, when in times().items() if when != before[name]} == {"b.xml.gz"}
    assert list(xml_infons(shards / "b.xml.gz")) == ["new0", "new1", "new2"]
    assert result.counts["documents"].to_pylist() == [12, 3, 12]

    save(tmp_path / "corpus" / "b.xml", "<nothing/>")  # a good file becomes a bad one: no shard of the old one is left
    result = link(config)
    assert len(result.failed) == 1
    for folder in ("shards", "mentions", "documents", "state"):
        assert not list((tmp_path / "run" / folder).glob("b.xml*")), folder


def test_the_bytes_do_not_depend_on_resources(base, tmp_path):
    config, _ = base  # with one actor, since its input is small
    two = Resources(actors=2, cpus_per_actor=0.25, cpus_per_task=1)
    link(replace(config, out_corpus=str(tmp_path / "run"), resources=two))
    assert outputs(tmp_path / "run") == outputs(Path(config.out_corpus))


def test_bad_files_beside_good_ones(local_ray, model, tmp_path):
    corpus, run = tmp_path / "corpus", tmp_path / "run"
    good = [save(corpus / f"good{i}.xml", collection(*documents(f"g{i}-", 7))) for i in range(2)]
    whole = gzip.compress(collection(*documents("cut", 500)).encode())
    bad = {
        "cut.xml.gz": whole[: len(whole) // 2],
        "other.xml": "<html/>",
        "empty.xml": b"",
        "bomb.xml": BOMB,
        "text.json": "not JSON",
    }
    for name, content in bad.items():
        save(corpus / name, content)
    save(corpus / "mixed.xml", collection(one("1", "Anemia"), WRONG, one("3", "cystic fibrosis")))
    config = model.config(corpus, run, chunk_documents=2, max_bad_fraction=1)
    result = link(config)
    assert {Path(path).name for path in result.failed} == set(bad)
    assert all(path in reason for path, reason in result.failed.items())
    assert "cut off" in result.failed[str(corpus / "cut.xml.gz")]
    assert sorted(path.name for path in (run / "shards").iterdir()) == ["good0.xml.gz", "good1.xml.gz", "mixed.xml.gz"]
    assert not (run / "parts").exists()
    for name in bad:
        lines = (run / "quarantine" / ((name if name.endswith(".gz") else name + ".gz") + ".jsonl")).read_text()
        assert lines.count("\n") == 1
        assert '"stage": "read"' in lines
    mixed = xml_infons(run / "shards" / "mixed.xml.gz")
    assert [each.get("link_id") for each in mixed.values()] == ["D1", None, "D5"]
    record = storage.read_json(str(run / "quarantine" / "mixed.xml.gz.jsonl"))
    assert (record["doc_id"], record["document"], record["path"]) == ("wrong", 1, str(corpus / "mixed.xml"))
    assert 'offset="-2" is negative' in record["reason"]
    assert any("document wrong" in reason for reason in result.top_errors)

    for name in bad:  # mended
        records = {"source": "", "date": "", "key": "", "infons": {}, "documents": []}
        save(corpus / name, records if "json" in name else collection(*documents(name, 3)))
    result = link(config)
    assert (result.failed, result.counts.num_rows, result.progress.files_before) == ({}, 8, 3)
    assert [path.name for path in (run / "quarantine").iterdir()] == ["mixed.xml.gz.jsonl"]
    assert good


def test_too_many_bad_documents(local_ray, model, tmp_path):
    path = save(tmp_path / "a.xml", collection(*documents("a", 3), WRONG))
    config = model.config(path, tmp_path / "run", max_bad_fraction=0.2)
    for _ in range(2):  # a start that has nothing to do fails too
        with pytest.raises(
            BadFractionError, match=r"1 of 4 documents .*--max-bad-fraction 0\.2 .*finished shards stay"
        ):
            link(config)
        assert (tmp_path / "run" / "shards" / "a.xml.gz").exists()
    assert link(replace(config, max_bad_fraction=0.25)).counts["quarantined"].to_pylist() == [1]


class Poisoned(CandidateCache):
    """Fails on one surface, and takes the process with it on another."""

    def search(self, surfaces):
        if "poison" in surfaces:
            os._exit(1)
        if "bitter" in surfaces:
            raise ValueError("too bitter")
        return super().search(surfaces)


class PoisonedStage(stage.LinkStage):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        ((_, linker),) = self.linkers
        linker.cache = Poisoned(linker.cache.generator, linker.cache.top_k)


def test_documents_that_fail_or_kill(local_ray, model, tmp_path, monkeypatch):
    good = documents("g", 20)
    corpus = [*good[:7], one("killer", "poison"), *good[7:14], one("failing", "bitter"), *good[14:]]
    save(tmp_path / "corpus" / "a.xml", collection(*corpus))
    save(tmp_path / "corpus" / "b.xml", collection(*documents("b", 9)))
    monkeypatch.setattr(job, "LinkStage", PoisonedStage)
    module = sys.modules[__name__]
    ray.cloudpickle.register_pickle_by_value(module)
    try:
        run = tmp_path / "run"
        result = link(model.config(tmp_path / "corpus", run, chunk_documents=5, max_bad_fraction=1))
    finally:
        ray.cloudpickle.unregister_pickle_by_value(module)
    lines = (run / "quarantine" / "a.xml.gz.jsonl").read_text()
    assert lines.count("\n") == 2
    assert "the worker died each time it came to this document" in lines
    assert "ValueError: too bitter" in lines
    infons = xml_infons(run / "shards" / "a.xml.gz")
    assert len(infons) == 22
    assert [each.get("link_id") for name, each in infons.items() if name[0] == "g"] == [
        LINKS[SURFACES[i % 6]] for i in range(20)
    ]
    assert "link_id" not in infons["killer"]
    assert result.counts["quarantined"].to_pylist() == [2, 0]
    assert result.progress.counts["documents"] == 31


def test_a_run_directory_is_one_jobs(base):
    config, _ = base
    with locks.lock(config.out_corpus), pytest.raises(LockedError, match=f"another job works on it.*{os.getpid()}"):
        link(config)


def test_another_configuration(base, tmp_path):
    config, _ = base
    shutil.copytree(config.out_corpus, tmp_path / "run")
    other = replace(config, out_corpus=str(tmp_path / "run"), top_k=2)
    with pytest.raises(ConfigError, match="top_k: 10 there, 2 now"):
        link(other)
    assert outputs(tmp_path / "run") == outputs(Path(config.out_corpus))
    result = link(replace(other, overwrite=True))
    assert result.progress.files_done == 3
    rankings = pq.read_table(tmp_path / "run" / "mentions" / "a.xml.gz.parquet")["ranking"].to_pylist()
    assert max(len(each) for each in rankings) <= 2


def test_what_cannot_be_is_said_before_anything_is_written(base, model, tmp_path):
    config, _ = base
    config = replace(config, out_corpus=str(tmp_path / "run"))
    (tmp_path / "m").mkdir()
    other = make_model(tmp_path / "m", CONCEPTS[:3])
    with pytest.raises(MismatchError, match=r"another ontology .*make it again"):
        link(replace(config, generator=GeneratorPaths(other.ngrams)))
    with pytest.raises(InputError, match=str(tmp_path / "none")):
        link(replace(config, generator=GeneratorPaths(str(tmp_path / "none"))))
    with pytest.raises(InputError, match="no such ontology"):
        link(replace(config, ontology=str(tmp_path / "none.arrow")))
    with pytest.raises(ConfigError, match="give a generator"):
        replace(config, generator=GeneratorPaths())
    with pytest.raises(ConfigError, match="no such file"):
        link(replace(config, in_corpus=(str(tmp_path / "none"),)))
    with pytest.raises(ConfigError, match=r"would both be written to a\.xml\.gz"):
        link(replace(config, in_corpus=(f"{config.in_corpus[0]}/a.xml.gz", save(tmp_path / "a.xml", collection()))))
    assert not (tmp_path / "run").exists()
    save(tmp_path / "file", "x")
    with pytest.raises(ConfigError, match="can't be written"):
        link(replace(config, out_corpus=str(tmp_path / "file" / "run")))
    with pytest.raises(ConfigError, match="give fewer --actors"):
        link(replace(config, resources=Resources(actors=5)))


def test_repeated_ids_an_empty_file_and_an_ontology_that_is_not_mapped(local_ray, model, tmp_path):
    from raybel.ontology import Ontology

    Ontology.open(model.ontology).save(str(tmp_path / "o.json"))
    save(tmp_path / "c" / "a.xml", collection(one("1", "Anemia"), one("2", "Anemia")))
    save(tmp_path / "c" / "b.xml", collection(one("2", "cystic fibrosis")))
    save(tmp_path / "c" / "c.xml", collection())
    result = link(replace(model.config(tmp_path / "c", tmp_path / "run"), ontology=str(tmp_path / "o.json")))
    assert result.repeated == (2, ["2"])
    assert result.counts["documents"].to_pylist() == [2, 1, 0]
    assert b"</collection>" in gzip.decompress((tmp_path / "run" / "shards" / "c.xml.gz").read_bytes())
    assert xml_infons(tmp_path / "run" / "shards" / "b.xml.gz")["2"]["link_id"] == "D5"


@pytest.fixture(scope="module")
def sixty(local_ray, model, tmp_path_factory):
    """An unbroken run over six files of sixty documents."""
    home = tmp_path_factory.mktemp("sixty")
    config = model.config(corpus_of(home / "corpus", 6, 60), home / "run", chunk_documents=10)
    link(config)
    return config


def test_a_killed_worker_changes_nothing(sixty, tmp_path):
    killed = []

    def kill(progress):
        if not killed and progress.chunks > 3:
            killed.append(stages()[0])
            killed[0].kill()

    result = link(replace(sixty, out_corpus=str(tmp_path / "run")), kill)
    assert killed
    assert result.progress.chunks == 36
    assert outputs(tmp_path / "run") == outputs(Path(sixty.out_corpus))


@pytest.mark.bench  # two processes that start Ray each: two minutes
def test_a_killed_driver_goes_on(sixty, tmp_path):
    run = tmp_path / "run"
    arguments = ["link", "--in-corpus", sixty.in_corpus[0], "--out-corpus", run, "--ontology", sixty.ontology]
    arguments += ["--ngrams-model", sixty.ngrams_model, "--chunk-documents", 10]
    with command(*arguments) as process:
        end = time.monotonic() + 200
        while not list(run.glob("parts/*/*/*.arrow")) and process.poll() is None and time.monotonic() < end:
            time.sleep(0.005)
        time.sleep(random.Random(7).uniform(0, 0.1))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert not (run / "counts.parquet").exists()
    done = len(list(run.glob("parts/*/*/*.arrow"))) + 6 * len(list(run.glob("state/*")))
    assert 0 < done < 36
    with command(*arguments) as process:
        output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    assert outputs(run) == outputs(Path(sixty.out_corpus))
    assert not [p for p in run.rglob("*.tmp") if "logs" not in p.parts]
    assert not psutil.pid_exists(process.pid)


def test_a_read_error_loses_nothing_on_the_next_start(base, model, tmp_path):
    """A file that broke off while it was read, and is whole at the next start, gives all its documents."""
    whole = collection(*(document(str(n), passage("Anemia here.")) for n in range(10))).encode()
    source = tmp_path / "in.xml"
    config = model.config([source], tmp_path / "run", chunk_documents=2)
    source.write_bytes(whole[: len(whole) // 2].ljust(len(whole)))
    before = source.stat()
    assert list(link(config).failed) == [str(source)]
    source.write_bytes(whole)
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    done = link(config)
    assert done.failed == {}
    assert done.counts["documents"].to_pylist() == [10]


def test_a_chunk_of_a_broken_file_is_never_a_part(base, model, tmp_path):
    source = save(tmp_path / "in.xml", collection(document("1", passage("Anemia.")))[:-20])
    config = model.config([source], tmp_path / "run")
    (item,) = find_inputs([source], "x")
    shard = item.shard()
    routes = [(*config.opened_routes[0], config.ontology, "o.arrow")]
    run = RunDirectory(config.out_corpus)
    linker = stage.LinkStage(config, routes, Allocation(1, 0.5, 0.5), run, {item.source.name: item}, Session("run"))
    (chunk,) = read_chunks(item.source, shard.name, config.read_options)
    assert linker(chunk)["error"][0].as_py()
    assert RunDirectory(config.out_corpus).finished_parts(shard) == frozenset()
    finished = Finished(chunks={(shard.name, 0): FinishedChunk(None)})
    (skipped,) = read_chunks(item.source, shard.name, config.read_options, finished)
    skipped = skipped.set_column(skipped.schema.get_field_index("error"), "error", [[None]])
    with pytest.raises(RaybelError, match="was there and is gone"):
        linker(skipped)
    storage.publish_json(run.file("state", shard.name), {"name": shard.name, "key": shard.key})
    (row,) = linker(skipped).to_pylist()  # of a reader that a lost node had: its shard was published meanwhile
    assert (row["chunk"], row["documents"], row["last"], row["ends"], row["error"]) == (0, 0, False, False, None)


def test_output_among_the_input_is_refused(model, tmp_path):
    save(tmp_path / "in" / "a.xml", collection())
    with pytest.raises(ConfigError, match="lies inside the input"):
        link(model.config([tmp_path / "in"], tmp_path / "in" / "run"))
    (tmp_path / "link").symlink_to("in")
    for same in (tmp_path / "link", tmp_path / "link" / "run", tmp_path / "in" / "x" / ".."):
        with pytest.raises(ConfigError, match="lies inside the input"):
            link(model.config([tmp_path / "in"], same))
    save(tmp_path / "run" / "shards" / "a.xml", collection())
    with pytest.raises(ConfigError, match="lies inside the run directory"):
        link(model.config([tmp_path / "run" / "shards" / "*.xml"], tmp_path / "run"))
