import pytest
from export_samples import exported, two_files
from run_samples import change_mentions, log_progress, make_run
from samples import annotation, collection, document, passage, save, simple_document

from raybel.errors import ConfigError
from raybel.exports.shards import shards_to_export
from raybel.files import storage
from raybel.runs.inputs import find_inputs
from raybel.runs.logs import write_plan


def test_a_shard_without_a_state_is_not_finished(tmp_path):
    """As a kill leaves it: the shard is published before its tables, the state last."""
    run = two_files(tmp_path, finished=False)
    for folder in ("state", "mentions", "documents"):
        storage.delete(run.file(folder, "b.xml.gz"))
    with pytest.raises(ConfigError, match=r"the run isn't finished.*--partial"):
        shards_to_export(run, False)
    result = exported(run, tmp_path / "out", partial=True)
    assert [path.rpartition("/")[2] for path in result.files] == ["a.xml.jsonl.gz"]
    assert result.notes == [
        "The run isn't finished: 1 of the 2 shards that it has so far were exported, which hold 1 of 2 input files "
        "whole."
    ]
    log_progress(run, finished=True)  # of a start that didn't read this file
    for partial in (False, True):
        assert shards_to_export(run, partial) == (
            ["a.xml.gz"],
            ["Left out, since they aren't finished: 1 shard of an earlier start."],
        )


def test_a_shard_that_is_assembled_over_old_tables(tmp_path):
    run = two_files(tmp_path, finished=False)
    paths = [str(tmp_path / "in/a.xml"), save(tmp_path / "in/b.xml", collection(simple_document("4", "New: Anemia.")))]
    write_plan(run, find_inputs(paths, "f"))
    storage.publish(run.shard_file("b.xml.gz"), (tmp_path / "in/b.xml").read_bytes())
    result = exported(run, tmp_path / "out", partial=True)
    assert [path.rpartition("/")[2] for path in result.files] == ["a.xml.jsonl.gz"]
    assert result.notes[0].startswith("The run isn't finished: 1 of the 2 shards")
    run.delete_shards(lambda name: name == "a.xml.gz")
    with pytest.raises(ConfigError, match="has no finished shard"):
        exported(run, tmp_path / "other", partial=True)


def test_files_that_could_not_be_read_are_named(tmp_path):
    run = two_files(tmp_path)
    log_progress(run, finished=True, failed=["c.xml: isn't XML"], files_failed=1)
    assert exported(run, tmp_path / "out").notes == ["not read: c.xml: isn't XML"]


def test_files_of_a_pipeline_that_could_not_be_read(tmp_path):
    home = tmp_path / "pipeline"
    save(home / "options.json", {"identity": "x"})
    found = two_files(tmp_path, uri=str(home / "found"))
    two_files(tmp_path, uri=str(home / "links"))
    log_progress(found, finished=True, failed=["c.xml: isn't XML"], files_failed=1)
    found = type(found)(str(home))
    assert exported(found, tmp_path / "out").notes == ["not read: c.xml: isn't XML"]


def test_annotations_that_cannot_be_used_are_counted(tmp_path):
    spots = [annotation("Anemia", (0, 6)), annotation("elsewhere", (0, 9), name="T2"), annotation("x", name="T3")]
    run = make_run(tmp_path, collection(document("1", passage("Anemia and asthma.", *spots)), simple_document("2")))
    result = exported(run, tmp_path / "out")
    assert (result.tally.mentions, result.tally.set_aside) == (2, 2)
    assert result.notes == [
        "Left out, since they can't be used: 2 annotations of the input (quarantine/ says why).",
    ]


@pytest.mark.parametrize("all_of_them", [True, False])
def test_mentions_that_were_not_to_be_linked(tmp_path, all_of_them):
    """`detect` links none, and `link` none of a type without a route."""
    run = two_files(tmp_path)

    def detected(rows):
        for row in rows[: None if all_of_them else 1]:
            row |= {"ontology": None, "link_id": None, "ranking": []}

    for shard in run.shard_names():
        change_mentions(run, shard, detected)
    result = exported(run, tmp_path / "out")
    if all_of_them:
        assert result.notes == [
            "No mention has a link: the run finds mentions and links none (`raybel link` on its shards does)."
        ]
    else:
        assert result.notes == ["Mentions of types that the run links to nothing: 2 of 3."]
