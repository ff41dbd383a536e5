"""The second stage over a chunk: order and scores, and what a failing document costs."""

import numpy as np
import pytest
from samples import Fixed, chunks, collection, document, put, simple, two_concepts

from raybel import linking
from raybel.attempts import Attempts
from raybel.candidates.base import Cached
from raybel.errors import InputError
from raybel.rerank.chunks import rerank
from raybel.rerank.examples import Describer
from raybel.rerank.parameters import CrossEncoderParameters


class Reversed:
    """Likes the first stage's last candidate best; fails on a mention of a name."""

    parameters = CrossEncoderParameters()

    def __init__(self, fails=None, error=RuntimeError):
        self.fails, self.error, self.calls = fails, error, 0

    def scores(self, examples):
        self.calls += 1
        if any(each.mention == self.fails for each in examples):
            raise self.error("this one")
        return [np.linspace(0.1, 0.9, len(each.names), dtype=np.float32) for each in examples]


def one(name, mention):
    return simple(name, f"A {mention} here.", mention)


def run(tmp_path, *documents, reranker=None, attempts=None):
    (chunk,) = chunks(put(tmp_path / "a.xml", collection(*documents)), sentences=True)
    ontology = two_concepts()
    found = linking.add_candidates(chunk, Cached(Fixed(), 10), "fixed", attempts)
    done = rerank(found, reranker or Reversed(), Describer(ontology, None), attempts)
    return linking.render(done, ontology), linking.render(found, ontology)


def rankings(part):
    return [[(each["concept_id"], each["first_rank"]) for each in row["ranking"]] for row in part.mentions.to_pylist()]


def test_candidates_are_reordered_and_keep_their_first_rank(tmp_path):
    part, before = run(tmp_path, one("1", "Anemia"), one("2", "unknown"), document("3"), one("4", "Asthma"))
    assert rankings(part) == [each[::-1] for each in rankings(before)]
    assert any(len(each) > 1 for each in rankings(part))
    for row in part.mentions.to_pylist():
        assert [each["rank"] for each in row["ranking"]] == list(range(len(row["ranking"])))
        scores = [each["score"] for each in row["ranking"]]
        assert scores == sorted(scores, reverse=True)


def test_a_document_that_fails_costs_only_itself(tmp_path):
    part, before = run(tmp_path, one("1", "Anemia"), one("2", "Asthma"), reranker=Reversed("Asthma"))
    assert [each["doc_id"] for each in part.quarantine] == ["2"]
    assert "this one" in part.quarantine[0]["traceback"]
    assert rankings(part)[0] == rankings(before)[0][::-1]
    assert part.documents["linked"] == [1, 0]


def test_an_error_of_the_model_is_raised(tmp_path):
    with pytest.raises(InputError):
        run(tmp_path, one("1", "Anemia"), reranker=Reversed("Anemia", InputError))


def test_a_document_that_kills_the_worker_is_skipped(tmp_path):
    attempts = Attempts(str(tmp_path / "x"), "s")
    attempts.whole, attempts.deaths = 2, {0: 2}
    reranker = Reversed()
    part, _ = run(tmp_path, one("1", "Anemia"), one("2", "Anemia"), reranker=reranker, attempts=attempts)
    assert [each["doc_id"] for each in part.quarantine] == ["1"]
    assert reranker.calls == 1
    assert part.documents["linked"] == [0, 1]


def test_nothing_to_rank(tmp_path):
    part, _ = run(tmp_path, document("1"))
    assert part.mentions.num_rows == 0
