"""What `status` says of a pipeline at its several moments, which are made by hand."""

import pytest
from samples import collection, save, simple_document

from raybel.errors import ConfigError, InputError
from raybel.evaluation.predictions import prediction_files
from raybel.files import storage
from raybel.jobs.lookup.directory import lookup_directory
from raybel.jobs.pubmed.directory import STEPS, work_directory
from raybel.jobs.status import status
from raybel.runs.inputs import find_inputs
from raybel.runs.logs import write_plan
from raybel.runs.pipeline import PipelineDirectory, run_with_links

DONE = [
    {"step": "detect", "skipped": False, "seconds": 1.0, "documents": 6, "mentions": 8, "linked": 0},
    {"step": "lookup", "skipped": True, "seconds": 1.0, "mentions": 8, "surfaces": 1, "found": 1},
    {"step": "link", "skipped": False, "seconds": 1.0, "documents": 6, "mentions": 8, "linked": 7},
    {"step": "count", "skipped": False, "seconds": 1.0},
]


@pytest.fixture
def pipeline(tmp_path):
    made = PipelineDirectory(str(tmp_path / "out"))
    storage.publish_json(made.options_file, {"identity": "f"})
    return made


def said(pipeline):
    return [figure for figure in status(pipeline.uri).figures if figure[0] != "last update"]


def test_a_pipeline_from_its_first_step_to_its_last(tmp_path, pipeline):
    names = list(STEPS.values())
    assert said(pipeline) == list(zip(names, ["stopped", "to do", "to do", "to do"], strict=True))
    with work_directory(pipeline).lock():
        assert status(pipeline.uri).state == "running"
        assert said(pipeline)[0] == ("find mentions", "running")
    pipeline.found.open({}, {}, False)
    write_plan(pipeline.found, find_inputs([save(tmp_path / "a.xml", collection(simple_document("1")))], "f"))
    assert said(pipeline)[:3] == [("find mentions", "stopped"), ("  input files", "0 of 1"), ("  shards", 0)]
    storage.publish_json(pipeline.steps_file, DONE[:1])
    lookup_directory(f"{pipeline.lookups}/00").write_description({}, ranges=4)
    assert said(pipeline) == [
        ("find mentions", "done: 6 documents, 8 mentions"),
        ("look distinct surfaces up", "stopped"),
        ("  ranges searched", "0 of 4"),
        ("link", "to do"),
        ("count links", "to do"),
    ]
    storage.publish_json(pipeline.steps_file, DONE[:3])
    assert said(pipeline)[2:] == [("link", "done: 6 documents, 8 mentions, 7 linked"), ("count links", "stopped")]
    assert status(pipeline.uri).state == "stopped; run the same command to go on"
    storage.publish_json(pipeline.steps_file, DONE)
    assert status(pipeline.uri).state == "finished"
    assert said(pipeline)[1] == ("look distinct surfaces up", "done: 8 mentions, 1 surface")


def test_the_run_that_links_is_known_by_the_pipelines_directory(tmp_path, pipeline):
    assert run_with_links(pipeline.uri) == pipeline.links
    with pytest.raises(ConfigError, match="has no finished shard yet"):
        prediction_files([pipeline.uri])
    save(tmp_path / "out/links/shards/a.xml.gz", collection(simple_document("1")))
    assert prediction_files([pipeline.uri])[0] == [pipeline.links.shard_file("a.xml.gz")]
    assert run_with_links(pipeline.links.uri) == pipeline.links
    storage.publish_json(f"{tmp_path}/other/options.json", ["mine"])
    with pytest.raises(InputError, match="holds no run, pipeline, sweep"):
        status(f"{tmp_path}/other")
