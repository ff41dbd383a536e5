"""Metrics of a link job on Ray, read back from where Prometheus would; its workers' logs; the dashboard over them."""

import json
import re
import time
import urllib.request
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import ray
from prometheus_client.parser import text_string_to_metric_families
from ray_fixture import SURFACES, outputs, three_files
from samples import annotation, collection, document, passage, save

from raybel.jobs import metrics
from raybel.jobs.link.job import link
from raybel.jobs.metrics import METRICS, run_name
from raybel.reporting import logs, tally
from raybel.runs.run_directory import RunDirectory
from raybel.runs.speed import read_speed

DASHBOARD = Path(__file__).parents[2] / "cluster/grafana-raybel.json"
#: Ray's workers hand their metrics over every ten seconds.
PATIENCE_SECONDS = 45


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("/data/runs/1", "runs/1"),
        ("/run/", "run"),
        ("s3://key:secret@bucket/runs/pubmed/links?region=x&endpoint_override=a/b", "pubmed/links"),
        ("s3://key:secret@bucket/1", "bucket/1"),
        ("gs://bucket", "bucket"),
    ],
)
def test_a_run_s_name_has_no_secret(uri, name):
    assert run_name(uri) == name


def test_a_relative_directory_has_the_name_of_its_absolute_one(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert run_name("here") == f"{tmp_path.name}/here"


def published(run):
    """What Ray's agent exports of a run: sums over its processes, by the metric and the tag beside `run`."""
    port = ray.nodes()[0]["MetricsExportPort"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    sums = Counter()
    for sample in (sample for family in families for sample in family.samples):
        if sample.name.startswith("ray_raybel_") and sample.labels["run"] == run:
            assert not set(sample.labels) & {"document", "doc_id"}
            label = sample.labels.get("stage") or sample.labels.get("generator") or ""
            sums[sample.name.removeprefix("ray_raybel_"), label] += sample.value
    return sums


@pytest.fixture(scope="module")
def watched(local_ray, model, tmp_path_factory):
    """A job with a document in quarantine and an annotation set aside, whose workers log JSON, and its metrics."""
    home = tmp_path_factory.mktemp("watched")
    corpus = three_files(home / "corpus")
    lost = document("lost", passage("Anemia.", annotation("Asthma", (0, 6))))
    wrong = document("wrong", passage("Anemia", annotation("Anemia", (0, 6)), offset=-2))
    save(corpus / "d.xml", collection(lost, wrong))
    config = model.config(corpus, home / "watched-run", chunk_documents=5, max_bad_fraction=0.5)
    tally.add("store_requests", 7)  # of other work in this process
    logs.use("json")
    try:
        result = link(config)
    finally:
        logs.use("text")
    name, end = run_name(config.out_corpus), time.monotonic() + PATIENCE_SECONDS
    while True:
        found = published(name)  # each process's own, every few seconds
        whole = found["documents_total", ""] >= 38 and found["share_read", ""] == 1
        if (whole and found["stage_seconds_total", "reading"]) or time.monotonic() > end:
            return config, result, found
        time.sleep(1)


def test_counts_are_those_of_the_table(watched):
    _, result, found = watched
    for name in metrics.OF_SUMMARY:
        assert found[f"{name}_total", ""] == sum(result.counts[name].to_pylist()), name
    assert (found["quarantined_total", ""], found["set_aside_total", ""]) == (1, 1)
    assert found["chunk_seconds_count", ""] == result.progress.chunks == 10
    assert found["share_read", ""] == 1
    assert found["cache_misses_total", "ngrams"] == len(SURFACES)  # with one actor, since its input is small
    assert found["cache_hits_total", "ngrams"] == found["mentions_total", ""] - len(SURFACES)
    stages = {stage: seconds for (name, stage), seconds in found.items() if name == "stage_seconds_total"}
    assert set(stages) == {"reading", "candidates", "writing"}
    assert all(0 < seconds < 60 for seconds in stages.values())
    assert found["store_requests_total", ""] == 0


def test_the_run_directory_keeps_how_fast_it_was(watched):
    config, result, _ = watched
    speed = read_speed(RunDirectory(config.out_corpus))
    for name in ("documents", "mentions"):
        assert round(sum(speed["counts"][name])) == sum(result.counts[name].to_pylist()), name
    work = {(what, label): amount for what, label, amount in speed["work"]}
    assert work["cache_misses", "ngrams"] == len(SURFACES)
    stages = {label: seconds for (what, label), seconds in work.items() if what == "stage_seconds"}
    assert set(stages) == {"reading", "candidates", "writing"}
    assert all(seconds > 0 for seconds in stages.values())
    assert 0 < sum(speed["counts"]["busy_seconds"]) <= result.progress.seconds * speed["workers"]


def test_workers_log_what_they_are_about(watched):
    config, result, _ = watched
    folder = Path(ray._private.worker._global_node.get_session_dir_path()) / "logs"
    texts = [text for path in folder.glob("worker-*.err") for text in path.read_text(errors="replace").splitlines()]
    lines = [json.loads(text) for text in texts if text.startswith("{")]
    ours = [line for line in lines if line["run"] == run_name(config.out_corpus)]
    chunks = {(line["shard"], line["chunk"]) for line in ours if line["message"].startswith("a chunk is done")}
    assert len(chunks) == result.progress.chunks
    published = {line["shard"] for line in ours if line["message"].startswith("a shard is published")}
    assert published == {shard for shard, _ in chunks} == set(result.counts["shard"].to_pylist())
    assert {line["logger"] for line in ours} == {"raybel.jobs.chunk_stage"}


def test_the_bytes_are_the_same_without_a_log(watched, tmp_path):
    config, _, _ = watched
    link(replace(config, out_corpus=str(tmp_path / "run")))
    assert outputs(tmp_path / "run") == outputs(Path(config.out_corpus))


def test_what_is_counted_is_defined():
    """Every name that a lower layer counts by is a metric, with a label where its metric has a tag for one."""
    home = Path(metrics.__file__).parents[1]
    texts = [path.read_text() for path in home.rglob("*.py") if path.parent.name != "reporting"]
    calls = [call for text in texts for call in re.findall(r"tally\.add\(\"(\w+)\", .*?(?:, (\S+))?\)\n", text)]
    assert {name for name, _ in calls} == {
        *("tokens", "pairs", "cache_hits", "cache_misses", "search_seconds", "store_requests", "store_retries")
    }
    assert {name for name, _ in calls} <= METRICS.keys()
    stages = {stage for text in texts for stage in re.findall(r"seconds_of\(\"(\w+)\"\)", text)}
    assert stages == {"reading", "detection", "candidates", "reranking", "writing"}


def test_publishing_without_ray_is_harmless():
    tally.add("tokens", 3, "reranking")
    metrics.publish("nowhere", dict.fromkeys(metrics.OF_SUMMARY, 1))
    metrics.record("nowhere", "share_read", 0.5)
    metrics.record("nowhere", "chunk_seconds", 0.5)
    assert tally.take() == {}


EXPORTED = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


def panels():
    return json.loads(DASHBOARD.read_text())["panels"]


def test_the_dashboard_shows_every_metric_and_no_other():
    exported = {
        f"ray_raybel_{name}{suffix}": name
        for name, definition in METRICS.items()
        for suffix in EXPORTED[definition.kind]
    }
    expressions = [target["expr"] for panel in panels() for target in panel["targets"]]
    named = {name for expression in expressions for name in re.findall(r"ray_\w+", expression)}
    assert named <= exported.keys()
    assert {exported[name] for name in named} == METRICS.keys()
    for expression in expressions:
        selectors = re.findall(r"(ray_raybel_\w+?)(?:_total|_bucket)?(\{[^}]*\})", expression)
        assert len(selectors) == len(re.findall(r"ray_", expression)), "a metric without its run"
        assert {selector for _, selector in selectors} == {'{run=~"$run"}'}
        for tags, name in re.findall(r"sum by \((.*?)\) \(\w+\(ray_raybel_(\w+?)(?:_total|_bucket)\{", expression):
            assert set(tags.split(", ")) <= {"run", "le", METRICS[name].label}, expression
        assert expression.count("(") == expression.count(")")


def test_the_dashboard_is_one_that_grafana_loads():
    dashboard = json.loads(DASHBOARD.read_text())
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)
    assert len({panel["title"] for panel in panels()}) == len(ids)
    cells = Counter()
    for panel in panels():
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            cells.update((x, y) for y in range(place["y"], place["y"] + place["h"]))
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters)
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
    assert max(cells.values()) == 1, "panels lie on each other"
    variables = {each["name"]: each for each in dashboard["templating"]["list"]}
    assert set(variables) == {"datasource", "run"}
    assert variables["run"]["definition"] == "label_values(ray_raybel_share_read, run)"
