import pytest
from export_samples import exported, lines
from run_samples import make_run
from samples import annotation, collection, document, json_annotation, json_document, passage, simple_document

from raybel.errors import MismatchError
from raybel.exports import reading
from raybel.files import storage

#: Line ends of every kind, what no XML may hold, half a surrogate pair, two UTF-16 units, markup.
ODD = "a\r\nb\rc\x0b\x85\u2028\x00\ud800x\ufeff\U0001f600<>&\"'\u200f \u00e9"


def test_any_text_is_found_where_it_stands(tmp_path):
    places = [(start, length) for start in range(len(ODD)) for length in (0, 1, 3) if start + length <= len(ODD)]
    spots = [json_annotation(ODD[start : start + length], (start, length)) for start, length in places]
    result = exported(make_run(tmp_path, [json_document("1", ODD, *spots)], suffix=".json"), tmp_path / "out")
    (found,) = lines(result.files[0])
    text = found["passages"][0]["text"]
    assert [(each["start"], each["end"] - each["start"]) for each in found["mentions"]] == places
    assert all(text[each["start"] : each["end"]] == each["text"] for each in found["mentions"])


def test_line_ends_within_mentions(tmp_path):
    pubtator = "1|t|a\rb\n1|a|x\ry\u2028z\n1\t0\t3\ta\rb\tD\tX\n1\t4\t9\tx\ry\u2028z\tD\tX\n\n"
    result = exported(make_run(tmp_path / "pubtator", pubtator, suffix=".pubtator"), tmp_path / "1")
    assert [each["text"] for each in lines(result.files[0])[0]["mentions"]] == ["a\rb", "x\ry\u2028z"]
    xml = collection(document("1", passage("a\rb", annotation("a\rb", (0, 3))))).replace("\r", "&#13;")
    result = exported(make_run(tmp_path / "xml", xml), tmp_path / "2")
    assert [each["text"] for each in lines(result.files[0])[0]["mentions"]] == ["a\rb"]


def test_repaired_and_misfiled_annotations(tmp_path):
    """Mentions are where `link` found them: offsets in UTF-16 units, sentences, another passage, the document's own."""
    of_first = annotation("Anemia", (3, 6)), annotation("Asthma", (12, 6), name="T2")
    misfiled = annotation("Misfiled", (50, 8), name="T3")
    sentences = (
        f"<sentence><offset>0</offset><text>\U0001f600 Anemia.</text>{of_first[0]}</sentence>"
        f"<sentence><offset>12</offset><text>Asthma and</text>{of_first[1]}{misfiled}</sentence>"
    )
    first = f"<passage><offset>0</offset>{sentences}</passage>"
    second = passage("Misfiled one.", offset=50)
    run = make_run(tmp_path, collection(document("1", first, second, misfiled.replace("T3", "T4"))))
    (found,) = lines(exported(run, tmp_path / "out").files[0])
    assert [(each["id"], each["passage"], each["start"], each["text"]) for each in found["mentions"]] == [
        ("T1", 0, 2, "Anemia"),
        ("T2", 0, 12, "Asthma"),
        ("T3", 1, 50, "Misfiled"),
        ("T4", 1, 50, "Misfiled"),
    ]


def test_tables_are_read_piece_by_piece(tmp_path, monkeypatch):
    run = make_run(tmp_path, collection(*(simple_document(str(number)) for number in range(5))))
    whole = storage.read_bytes(exported(run, tmp_path / "whole").files[0])
    monkeypatch.setattr(reading, "_ROWS", 2)
    taken = []
    read = reading._rows

    def counted(*arguments):
        for row in read(*arguments):
            taken.append(row)
            yield row

    monkeypatch.setattr(reading, "_rows", counted)
    documents = reading.read_shard(run, "a.xml.gz", reading.Selection(), reading.Tally())
    next(documents)
    assert len(taken) <= 4  # of ten
    assert storage.read_bytes(exported(run, tmp_path / "out").files[0]) == whole
    storage.publish(run.file("documents", "a.xml.gz"), storage.read_bytes(run.mentions_file("a.xml.gz")))
    with pytest.raises(MismatchError, match="lacks the columns deleted, error, set_aside"):
        exported(run, tmp_path / "out")
