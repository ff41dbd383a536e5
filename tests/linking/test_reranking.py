"""The second stage over a chunk: order and scores, and what a failing document costs."""

from types import SimpleNamespace

import numpy as np
import pytest
from samples import FixedGenerator, chunks, collection, document, save, simple_document, two_concepts
from tiny_crossencoder import example

from raybel.candidates.base import CandidateCache
from raybel.errors import InputError
from raybel.linking.candidates import add_candidates
from raybel.linking.poison import CrashRecord
from raybel.linking.rankings import Rankings, Target
from raybel.linking.render import render
from raybel.linking.reranking import rerank
from raybel.rerank.calibration import Calibration
from raybel.rerank.examples import Describer
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.reranker import Ranking, Reranker


class Reversed:
    """Likes the first stage's last candidate best; fails on a mention of a name."""

    parameters = CrossEncoderParameters()

    def __init__(self, fails=None, error=RuntimeError):
        self.fails, self.error, self.calls = fails, error, 0

    def rank(self, examples):
        self.calls += 1
        if any(each.mention == self.fails for each in examples):
            raise self.error("this one")
        sizes = [len(each.names) for each in examples]
        return [Ranking(np.arange(size)[::-1], np.linspace(0.9, 0.1, size, dtype=np.float32)) for size in sizes]


def with_mention(name, mention):
    return simple_document(name, f"A {mention} here.", mention)


def link(tmp_path, *documents, reranker=None, crashes=None):
    (chunk,) = chunks(save(tmp_path / "a.xml", collection(*documents)), sentences=True)
    ontology = two_concepts()
    found = add_candidates(chunk, CandidateCache(FixedGenerator(), 10), "fixed", crashes)
    done = rerank(found, reranker or Reversed(), Describer(ontology, None), crashes)
    target = Target(ontology, "o.arrow")
    return render(done, Rankings.of(done, target)), render(found, Rankings.of(found, target))


def rankings(part):
    return [[(each["concept_id"], each["first_rank"]) for each in row["ranking"]] for row in part.mentions.to_pylist()]


def test_candidates_are_reordered_and_keep_their_first_rank(tmp_path):
    part, before = link(
        tmp_path, with_mention("1", "Anemia"), with_mention("2", "unknown"), document("3"), with_mention("4", "Asthma")
    )
    assert rankings(part) == [each[::-1] for each in rankings(before)]
    assert any(len(each) > 1 for each in rankings(part))
    for row in part.mentions.to_pylist():
        assert [each["rank"] for each in row["ranking"]] == list(range(len(row["ranking"])))
        scores = [each["score"] for each in row["ranking"]]
        assert scores == sorted(scores, reverse=True)


def test_a_document_that_fails_costs_only_itself(tmp_path):
    part, before = link(tmp_path, with_mention("1", "Anemia"), with_mention("2", "Asthma"), reranker=Reversed("Asthma"))
    assert [each["doc_id"] for each in part.quarantine] == ["2"]
    assert "this one" in part.quarantine[0]["traceback"]
    assert rankings(part) == [rankings(before)[0][::-1], []]
    assert part.documents["linked"] == [1, 0]


def test_an_error_of_the_model_is_raised(tmp_path):
    with pytest.raises(InputError):
        link(tmp_path, with_mention("1", "Anemia"), reranker=Reversed("Anemia", InputError))


def test_a_document_that_kills_the_worker_is_skipped(tmp_path):
    crashes = CrashRecord(str(tmp_path / "x"), "s", whole=2, deaths={0: 2})
    reranker = Reversed()
    part, _ = link(
        tmp_path, with_mention("1", "Anemia"), with_mention("2", "Anemia"), reranker=reranker, crashes=crashes
    )
    assert [each["doc_id"] for each in part.quarantine] == ["1"]
    assert reranker.calls == 1
    assert part.documents["linked"] == [0, 1]


class FixedLogits:
    """A scorer that gives these logits."""

    def __init__(self, *logits):
        self.found = [np.array(each, np.float32) for each in logits]

    def tokens(self, examples):
        return [SimpleNamespace(scores=each.candidates["score"]) for each in examples]

    def logits(self, tokenised):
        return self.found


@pytest.mark.parametrize("calibration", [None, Calibration(), Calibration(none=30.0)])
def test_the_order_is_that_of_the_logits_where_probabilities_are_equal(calibration):
    """Rounded, several of these are 1 or 0."""
    names = ["a", "b", "c", "d", "e"]
    scorer = FixedLogits([13, 16, -16, -13, -14], [0, 0, 0, 1e-6, 1], [])
    reranker = Reranker(scorer, calibration, CrossEncoderParameters())
    first, second, third = reranker.rank([example("x", names), example("x", names), example("x", [])])
    assert first.order.tolist() == [1, 0, 3, 4, 2]
    assert second.order.tolist() == [4, 0, 1, 2, 3]
    assert len(third.order) == len(third.scores) == 0
    for each in (first, second):
        assert (np.diff(each.scores) <= 0).all()
        assert each.scores.dtype == np.float32


def test_nothing_to_rank(tmp_path):
    part, _ = link(tmp_path, document("1"))
    assert part.mentions.num_rows == 0
