import gzip

import pytest
from click.testing import CliRunner
from export_samples import exported, lines, two_files
from run_samples import change_mentions, log_progress, make_run
from samples import annotation, collection, document, json_document, passage, save, simple_document

from raybel.cli import main
from raybel.corpus.documents import ReadOptions
from raybel.corpus.reading import read_documents
from raybel.errors import ConfigError, InputError, MismatchError
from raybel.exports.config import ExportConfig
from raybel.exports.export import export
from raybel.files import storage


def test_a_file_for_each_shard(tmp_path):
    run, out = two_files(tmp_path), tmp_path / "out"
    result = exported(run, out)
    assert [name for name in storage.names(str(out)) if name[0] != "."] == ["a.xml.jsonl.gz", "b.xml.jsonl.gz"]
    assert result.files == [str(out / name) for name in ("a.xml.jsonl.gz", "b.xml.jsonl.gz")]
    assert [each["id"] for each in lines(result.files[0])] == ["1", "2"]
    assert [each["shard"] for each in lines(result.files[1])] == ["b.xml.gz"]
    assert (result.tally.documents, result.tally.mentions, result.tally.linked, result.notes) == (3, 3, 3, [])
    exported(run, out)  # the same again
    with pytest.raises(ConfigError, match=r"another configuration.*--overwrite"):
        exported(run, out, threshold=0.9)
    assert exported(run, out, threshold=0.9, overwrite=True).tally.linked == 0


def test_on_an_object_store(tmp_path, endpoint):
    place = endpoint(tmp_path.name)
    run = two_files(tmp_path, uri=storage.join(place, "run"))
    result = exported(run, storage.join(place, "out"))
    assert [each["id"] for path in result.files for each in lines(path)] == ["1", "2", "3"]
    storage.publish(storage.join(place, "out/notes.txt"), b"mine")
    run.delete_shards(lambda name: name == "b.xml.gz")
    with pytest.raises(ConfigError, match="another configuration"):
        exported(run, storage.join(place, "out"), "belb")
    exported(run, storage.join(place, "out"), "belb", overwrite=True)
    assert storage.names(storage.join(place, "out")) == [".raybel.json", "a.xml.belb.jsonl.gz", "notes.txt"]
    assert b"secret" not in storage.read_bytes(storage.join(place, "out/.raybel.json"))


def test_one_file_on_an_object_store(tmp_path, endpoint):
    place = endpoint(tmp_path.name)
    run = two_files(tmp_path, uri=storage.join(place, "run"))
    exported(run, storage.join(place, "all.jsonl"))
    assert [each["id"] for each in lines(storage.join(place, "all.jsonl"))] == ["1", "2", "3"]


def test_one_file_for_all(tmp_path):
    run = two_files(tmp_path)
    out = str(tmp_path / "all.jsonl")
    assert exported(run, out).files == [out]
    assert [each["id"] for each in lines(out)] == ["1", "2", "3"]
    with pytest.raises(ConfigError, match=r"is there already.*--overwrite"):
        exported(run, out)
    exported(run, out, overwrite=True, top_k=1)
    assert [len(each["mentions"][0]["candidates"]) for each in lines(out)] == [1, 1, 1]
    exported(run, f"{out}.gz", top_k=1)
    assert lines(f"{out}.gz") == lines(out)


def test_documents_without_an_id_in_one_file(tmp_path):
    run = make_run(tmp_path, collection(simple_document("")), collection(simple_document("")))
    exported(run, tmp_path / "all.pubtator", "pubtator")
    found = read_documents(str(tmp_path / "all.pubtator"), ReadOptions())
    assert [piece[0].id for piece in found if not isinstance(piece, bytes)] == ["#0", "#1"]


@pytest.mark.parametrize("suffix", [".pubtator", ".pubtator.txt", ".pubtator.gz"])
def test_pubtator_text_is_read_again(tmp_path, suffix):
    run = two_files(tmp_path)
    out = tmp_path / f"all{suffix}"
    exported(run, out, "pubtator")
    found = [piece[0] for piece in read_documents(str(out), ReadOptions()) if not isinstance(piece, bytes)]
    assert [each.id for each in found] == ["1", "2", "3"]
    assert [each.passages[0].annotations[0].infons["concept_id"] for each in found] == ["a%7Cb%3Dc"] * 3


@pytest.mark.parametrize("format", ["pubtator", "belb", "jsonl", "spacy"])
def test_the_same_bytes_each_time(tmp_path, format):
    if format == "spacy":
        pytest.importorskip("spacy")
    run = two_files(tmp_path)
    first, second = (exported(run, tmp_path / name, format).files for name in ("one", "two"))
    assert [storage.read_bytes(path) for path in first] == [storage.read_bytes(path) for path in second]


@pytest.mark.parametrize(
    ("format", "name", "endings"),
    [
        ("jsonl", "out.json", ".jsonl or .jsonl.gz"),
        ("pubtator", "out.txt", ".pubtator or .pubtator.gz or .pubtator.txt or .pubtator.txt.gz"),
        ("spacy", "out.spacy.gz", ".spacy"),
        ("jsonl", "out.pubtator", ".jsonl or .jsonl.gz"),
        ("belb", "out.parquet", ".belb.jsonl or .belb.jsonl.gz or .jsonl or .jsonl.gz"),
    ],
)
def test_a_file_of_another_name_is_refused(tmp_path, format, name, endings):
    with pytest.raises(ConfigError, match=f"ends in {endings}; the name of a directory"):
        exported(two_files(tmp_path), tmp_path / name, format)


def test_top_k_is_of_jsonl(tmp_path):
    with pytest.raises(ConfigError, match="--top-k goes with --format jsonl"):
        ExportConfig(run="r", format="belb", out="o", top_k=1)


@pytest.mark.parametrize("out", ["", " ", "-"])
def test_output_without_a_name_is_refused(out):
    with pytest.raises(ConfigError, match="names neither a file nor a directory"):
        ExportConfig(run="r", format="jsonl", out=out)


def test_an_unfinished_run(tmp_path):
    run = two_files(tmp_path, finished=False)
    with pytest.raises(ConfigError, match=r"the run isn't finished.*--partial"):
        exported(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert exported(run, tmp_path / "out", partial=True).tally.documents == 3
    log_progress(run, finished=True)
    with run.held(), pytest.raises(ConfigError, match="the run isn't finished"):
        exported(run, tmp_path / "out")


def test_a_run_without_a_shard(tmp_path):
    with pytest.raises(ConfigError, match="has no finished shard"):
        exported(make_run(tmp_path), tmp_path / "out")


def test_what_is_no_run(tmp_path):
    with pytest.raises(InputError, match="isn't a run directory"):
        export(ExportConfig(run=str(tmp_path / "nothing"), format="jsonl", out=str(tmp_path / "out")))
    save(tmp_path / "array/files.txt", "a.xml\n")
    make_run(tmp_path, uri=str(tmp_path / "array/0-of-1"))
    with pytest.raises(ConfigError, match="array of runs: export each by itself, such as 0-of-1"):
        export(ExportConfig(run=str(tmp_path / "array"), format="jsonl", out=str(tmp_path / "out")))


def test_output_in_the_run_is_refused(tmp_path):
    run = two_files(tmp_path)
    for out in (storage.join(run.uri, "shards"), storage.join(run.uri, "out.jsonl"), str(tmp_path)):
        with pytest.raises(ConfigError, match="lie one in the other"):
            exported(run, out, overwrite=True)
    assert len(run.shard_names()) == 2


def test_a_directory_of_something_else_is_refused(tmp_path):
    save(tmp_path / "out/notes.txt", "mine")
    with pytest.raises(ConfigError, match="holds something other than an export"):
        exported(two_files(tmp_path), tmp_path / "out", overwrite=True)


def test_a_run_without_mentions(tmp_path):
    run = make_run(tmp_path, collection(document("1", passage("Anemia."))))
    for format in ("pubtator", "belb", "jsonl"):
        result = exported(run, tmp_path / format, format)
        assert result.tally.documents == 1
        assert result.notes[0].startswith("The run has no mentions")
    (found,) = lines(tmp_path / "jsonl/a.xml.jsonl.gz")
    assert found["passages"][0]["text"] == "Anemia."
    assert found["mentions"] == []
    assert gzip.decompress((tmp_path / "pubtator/a.xml.pubtator.gz").read_bytes()) == b"1|t|Anemia.\n1|a|\n\n"


def test_a_corpus_without_documents(tmp_path):
    result = exported(make_run(tmp_path, collection()), tmp_path / "out")
    assert lines(result.files[0]) == []


def test_mentions_without_a_link(tmp_path):
    run = make_run(tmp_path, collection(simple_document("1", "An unknown one.", "unknown")))
    result = exported(run, tmp_path / "out.pubtator", "pubtator")
    assert (tmp_path / "out.pubtator").read_text().endswith("1\t3\t10\tunknown\tDisease\t-1\n\n")
    assert result.notes == ["No mention has a link: the run found none, or the threshold leaves none."]


def test_documents_in_quarantine_are_left_out(tmp_path):
    bad = json_document("2", "Low iron.") | {"infons": {}}
    bad["passages"].append({"text": "no offset", "annotations": []})
    run = make_run(tmp_path, [json_document("1"), bad, json_document("3")], suffix=".json")
    result = exported(run, tmp_path / "out")
    assert [(each["id"], each["document"]) for each in lines(result.files[0])] == [("1", 0), ("3", 2)]
    assert "Left out, since they couldn't be linked: 1 document (quarantine/ says why)." in result.notes


def test_untrusted_names(tmp_path):
    """A document's id and text as they come: control characters, half a surrogate pair, markup, from right to left."""
    hebrew = "\u05e1\u05d5\u05db\u05e8\u05ea"
    text = f"\u202e{hebrew}\ud800 <script>\tline\nbreak\u2028"
    spot = {"id": "a\n", "infons": {"type": "</script>"}, "text": hebrew, "locations": [{"offset": 1, "length": 5}]}
    run = make_run(tmp_path, [json_document("../<b>\t1\n", text, spot)], suffix=".json")
    for format in ("pubtator", "belb", "jsonl"):
        exported(run, tmp_path / format, format)
    (found,) = lines(tmp_path / "jsonl/a.json.jsonl.gz")
    assert found["id"] == "../<b>\t1\n"
    assert found["passages"][0]["text"] == text.replace("\ud800", "\ufffd")
    assert found["mentions"][0]["text"] == hebrew
    (record,) = lines(tmp_path / "belb/a.json.belb.jsonl.gz")
    annotation = record["annotations"][0]
    assert record["text"][annotation["start"] : annotation["end"]] == annotation["text"] == hebrew
    pubtator = gzip.decompress((tmp_path / "pubtator/a.json.pubtator.gz").read_bytes()).decode()
    first, second, third = pubtator.split("\n")[:3]
    assert first == f"../<b>%091%0A|t|\u202e{hebrew}\ufffd <script> line break "
    assert second == "../<b>%091%0A|a|"
    assert third == f"../<b>%091%0A\t1\t6\t{hebrew}\t</script>\ta%7Cb%3Dc"


@pytest.mark.parametrize("format", ["pubtator", "jsonl"])
def test_tables_that_are_missing_damaged_or_anothers(tmp_path, format):
    run = two_files(tmp_path)
    path = run.mentions_file("a.xml.gz")
    whole = storage.read_bytes(path)

    def moved(rows):
        rows[0]["end"] = 99

    change_mentions(run, "a.xml.gz", moved)
    with pytest.raises(MismatchError, match=r"a\.xml\.gz, document 1, offset 0: mention T1 isn't there"):
        exported(run, tmp_path / "out", format)
    assert not (tmp_path / f"out/a.xml.{format}.gz").exists()
    storage.publish(path, whole[:-9])
    with pytest.raises(InputError, match=r"a\.xml\.gz\.parquet: isn't a readable table"):
        exported(run, tmp_path / "out", format)
    storage.publish(path, storage.read_bytes(run.file("documents", "a.xml.gz")))
    with pytest.raises(MismatchError, match="lacks the columns end, gold, mention_id"):
        exported(run, tmp_path / "out", format)
    storage.delete(path)
    with pytest.raises(InputError, match="the shard's table is missing"):
        exported(run, tmp_path / "out", format)
    storage.publish(path, whole)
    save(tmp_path / "other.xml", collection(simple_document("8"), simple_document("9")))
    storage.publish(run.shard_file("a.xml.gz"), (tmp_path / "other.xml").read_bytes())
    with pytest.raises(MismatchError, match=r"shards/a\.xml\.gz, document 8: its table has another"):
        exported(run, tmp_path / "out", format)
    save(tmp_path / "other.xml", collection(simple_document("1")))
    storage.publish(run.shard_file("a.xml.gz"), (tmp_path / "other.xml").read_bytes())
    with pytest.raises(MismatchError, match="has 1 documents, its tables have more"):
        exported(run, tmp_path / "out", format)


def test_without_spacy(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "spacy", None)
    with pytest.raises(ConfigError, match=r"needs the package spacy: pip install 'raybel\[spacy\]'"):
        exported(two_files(tmp_path), tmp_path / "out", "spacy")


def test_the_command(tmp_path):
    text = "Anemia\nand Anemia."
    spots = [annotation("Anemia", (10, 6)), annotation("Anemia", (21, 6), name="T2")]
    run = make_run(tmp_path, collection(document("1", passage(text, *spots, offset=10))))
    out = str(tmp_path / "out.pubtator")
    done = CliRunner().invoke(main, ["export", run.uri, "--format", "pubtator", "--out", out])
    assert done.exit_code == 0, done.output
    printed = [line.split() for line in done.stdout.splitlines()]
    assert printed[3:7] == [["files", "1"], ["documents", "1"], ["mentions", "2"], ["linked", "2"]]
    assert "Offsets differ from the corpus's in 1 document" in done.stdout
    assert "Line breaks, tabs or control characters became spaces in 1 document." in done.stdout
    again = CliRunner().invoke(main, ["export", run.uri, "--format", "pubtator", "--out", out])
    assert (again.exit_code, "is there already" in again.stderr) == (1, True)
    wrong = CliRunner().invoke(main, ["export", run.uri, "--format", "brat", "--out", out])
    assert (wrong.exit_code, "'brat' is not one of 'pubtator', 'belb', 'jsonl', 'spacy'" in wrong.stderr) == (2, True)
