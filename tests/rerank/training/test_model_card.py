from dataclasses import asdict

from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.training.model_card import model_card


def card(**changed):
    counts = {"documents": 3, "mentions": 9, "left_out": 1, "sure": 7}
    state = {"crosstype": "tree", "epochs": [{"epoch": 1, "best": True, "scores": None}], "calibration": None}
    state |= {"ontology_fingerprint": "f", "generator": "ngrams", "identity": {"seed": 5}, "counts": {"train": counts}}
    return model_card("minilm", state | {"parameters": asdict(CrossEncoderParameters(**changed))})


def test_what_was_left_out_is_said():
    assert "7 training mentions" not in card()
    assert "with a probability of 0.25 only: 7 training mentions." in card(train_on="unsure", sure_share=0.25)
    assert "| train | 3 | 9 | 1 |" in card()
