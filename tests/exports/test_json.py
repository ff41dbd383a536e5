import json

import pytest
from run_samples import change_mentions, make_run
from samples import annotation, collection, document, passage

from raybel.errors import MismatchError
from raybel.exports.belb import BELB
from raybel.exports.documents import Tally
from raybel.exports.json_lines import JSON_LINES
from raybel.exports.reading import Selection, read_shard

TEXT = "Anemia <script>alert(1)</script> \u05e1\u05d5\u05db\u05e8\u05ea, left and right heart failure."
HEBREW = TEXT.index("\u05e1")
FAILURE = TEXT.index("left")


ALL = Selection()


def shown(run, known, selection=ALL):
    tally = Tally()
    lines = b"".join(known.content(read_shard(run, "a.xml.gz", selection, tally), tally)).decode()
    return [json.loads(line) for line in lines.split("\n")[:-1]], tally


def a_run(tmp_path):
    """A document with a passage behind a gap: a mention in two pieces, one without a candidate, one nested in it."""
    pieces = [(50 + FAILURE, 4), (50 + TEXT.index("heart"), 13)]
    spots = [
        annotation("left heart failure", *pieces, name="A", type="Disease"),
        annotation("\u05e1\u05d5\u05db\u05e8\u05ea", (50 + HEBREW, 5), name="B&#9;1", type="", concept_id="-1"),
        annotation("Anemia", (50, 6), name="&lt;b>", type="Disease", concept_id="D1|D2"),
    ]
    return make_run(tmp_path, collection(document("1", passage("A title."), passage(TEXT, *spots, offset=50))))


def test_jsonl_has_all_there_is(tmp_path):
    run = a_run(tmp_path)
    ((found,), tally) = shown(run, JSON_LINES)
    assert list(found) == ["id", "shard", "document", "passages", "mentions"]
    assert (found["id"], found["shard"], found["document"]) == ("1", "a.xml.gz", 0)
    assert found["passages"] == [
        {"offset": 0, "type": "", "text": "A title."},
        {"offset": 50, "type": "", "text": TEXT},
    ]
    split, hebrew, anemia = found["mentions"]
    assert anemia == {
        "id": "<b>",
        "type": "Disease",
        "passage": 1,
        "start": 50,
        "end": 56,
        "locations": [{"start": 50, "end": 56}],
        "text": "Anemia",
        "gold": ["D1", "D2"],
        "link_id": "a|b=c",
        "link_name": "Asthma & co <x>",
        "link_score": 0.75,
        "parts": [],
        "candidates": [
            {"id": "a|b=c", "name": "Asthma & co <x>", "score": 0.75},
            {"id": "D1", "name": "Anemia", "score": 0.5},
        ],
    }
    assert split["text"] == "left heart failure"
    heart = 50 + TEXT.index("heart")
    assert split["locations"] == [{"start": 50 + FAILURE, "end": 54 + FAILURE}, {"start": heart, "end": heart + 13}]
    assert (split["start"], split["end"], split["gold"]) == (50 + FAILURE, heart + 13, None)
    assert (hebrew["id"], hebrew["type"], hebrew["gold"]) == ("B\t1", "", [])
    assert tally == Tally(documents=1, mentions=3, linked=3)


def test_top_k_and_threshold(tmp_path):
    run = a_run(tmp_path)
    ((found,), _) = shown(run, JSON_LINES, Selection(top_k=1))
    assert [len(mention["candidates"]) for mention in found["mentions"]] == [1, 1, 1]
    ((found,), _) = shown(run, JSON_LINES, Selection(threshold=0.6))
    assert [len(mention["candidates"]) for mention in found["mentions"]] == [1, 1, 1]
    ((found,), _) = shown(run, JSON_LINES, Selection(threshold=0.750004))  # rounded as `link` does
    assert [mention["link_id"] for mention in found["mentions"]] == ["a|b=c"] * 3
    ((found,), tally) = shown(run, JSON_LINES, Selection(threshold=0.76))
    nothing = {"link_id": None, "link_name": None, "link_score": None, "candidates": []}
    assert all(mention | nothing == mention for mention in found["mentions"])
    assert (tally.mentions, tally.linked) == (3, 0)


def test_the_parts_of_a_composite(tmp_path):
    run = a_run(tmp_path)
    part = {"surface": "left", "start": None, "end": None, "link_id": "D|1", "link_name": "x", "link_score": 0.5}
    other = part | {"surface": "heart", "start": 3, "end": 8, "link_id": "D2", "link_score": 0.75}

    def take_apart(rows):
        rows[0] |= {"parts": [part, other], "link_id": "D%7C1|D2"}

    change_mentions(run, "a.xml.gz", take_apart)
    ((found,), _) = shown(run, JSON_LINES)
    composite = found["mentions"][0]
    assert composite["parts"] == [part, other]
    linked = [composite[name] for name in ("link_id", "link_name", "link_score")]
    assert linked == ["D%7C1|D2", "x|x", 0.5]
    ((record,), _) = shown(run, BELB)
    assert record["annotations"][-1]["ids"] == ["D|1", "D2"]
    ((found,), _) = shown(run, JSON_LINES, Selection(threshold=0.6))
    composite = found["mentions"][0]
    assert composite["parts"][0] == part | {"link_id": None, "link_name": None, "link_score": None}
    assert (composite["link_id"], composite["link_score"]) == ("D2", 0.75)


@pytest.mark.parametrize("scores", [(0.5, 0.75), (0.75, 0.5)])
def test_parts_that_share_a_concept(tmp_path, scores):
    """The composite has the score of its least certain part, as the mentions table says."""
    run = a_run(tmp_path)
    part = {"surface": "left", "start": None, "end": None, "link_id": "D1", "link_name": "x"}

    def take_apart(rows):
        rows[0]["parts"] = [part | {"link_score": score} for score in scores]

    change_mentions(run, "a.xml.gz", take_apart)
    for selection in (ALL, Selection(threshold=0.3)):
        ((found,), _) = shown(run, JSON_LINES, selection)
        linked = [found["mentions"][0][name] for name in ("link_id", "link_name", "link_score")]
        assert linked == ["D1", "x", 0.5]
        assert [each["link_score"] for each in found["mentions"][0]["parts"]] == list(scores)


@pytest.mark.parametrize(
    ("row", "change"),
    [
        (0, {"end": 50 + TEXT.index("failure")}),  # not where the pieces end
        (1, {"text": "another"}),
        (2, {"start": 51, "end": 57}),  # as long, and elsewhere
        (2, {"start": 49, "end": 55}),  # before its passage
        (2, {"start": 56}),  # behind its end
    ],
)
@pytest.mark.parametrize("known", [JSON_LINES, BELB])
def test_mentions_whose_text_is_elsewhere(tmp_path, known, row, change):
    run = a_run(tmp_path)

    def move(rows):
        rows[row] |= change

    change_mentions(run, "a.xml.gz", move)
    with pytest.raises(
        MismatchError, match=r"a\.xml\.gz, document 1, offset \d+: mention .* isn't there.*link it again"
    ):
        shown(run, known)


def test_belb_has_one_text(tmp_path):
    run = a_run(tmp_path)
    ((record,), tally) = shown(run, BELB)
    assert record["text"] == f"A title.\n{TEXT}"
    assert record["metadata"] == {"passages": [{"offset": 0, "type": ""}, {"offset": 9, "type": ""}]}
    assert [each["start"] for each in record["annotations"]] == [9, 9 + HEBREW, 9 + FAILURE]
    assert all(record["text"][each["start"] : each["end"]] == each["text"] for each in record["annotations"])
    assert record["annotations"][2]["text"] == "left and right heart failure"  # what the span covers
    assert record["annotations"][0] == {"type": "Disease", "text": "Anemia", "start": 9, "end": 15, "ids": ["a|b=c"]}
    assert tally.moved == 1
    ((record,), _) = shown(run, BELB, Selection(threshold=1.0))
    assert [each["ids"] for each in record["annotations"]] == [["NIL"]] * 3


def test_belb_is_a_dataset(tmp_path):
    """The features are those that BELB's repository gives its corpora."""
    datasets = pytest.importorskip("datasets")
    value = datasets.Value
    text, offset = value("string"), value("int32")
    mention = {"type": text, "text": text, "start": offset, "end": offset, "ids": [text]}
    passages = {"passages": [{"offset": offset, "type": text}]}
    features = datasets.Features({"id": text, "text": text, "annotations": [mention], "metadata": passages})
    run = a_run(tmp_path)
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(BELB.content(read_shard(run, "a.xml.gz", ALL, Tally()), Tally())))
    loaded = datasets.load_dataset(
        "json", data_files=str(path), split="train", features=features, cache_dir=str(tmp_path / "cache")
    )
    ((record,), _) = shown(run, BELB)
    assert loaded[0] == record
