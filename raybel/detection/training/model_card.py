"""The model card of a trained token classifier."""

from __future__ import annotations

from typing import Any

from raybel.detection.training.scores import ALL

_HEADER = ["", "| corpus | type | precision | recall | F1 |", "| --- | --- | --- | --- | --- |"]


def model_card(base: str, state: dict[str, Any]) -> str:
    """Return the text of a model card: data, hyper-parameters, scores.

    Args:
        base: Name of the model that training started from.
        state: What is written to `raybel.json`.
    """
    best = [epoch for epoch in state["epochs"] if epoch["best"]][-1]
    context = state["parameters"]["context_tokens"]
    seen = f"consecutive sentences, at most {context} tokens of them together" if context else "one sentence at a time"
    lines = [
        "---",
        "library_name: transformers",
        "pipeline_tag: token-classification",
        "---",
        "",
        f"# Mentions of {', '.join(state['types'])}",
        "",
        f"Made by raybel from `{base}`: gives the first token of each word a BIO label. It sees {seen}.",
    ]
    if state["case"]:
        lines.append(
            "Its token types say how a token's word is written: 0 without capitals, 1 with one at its beginning, 2 "
            "with others."
        )
    least = ", ".join(f"{kind} {score}" for kind, score in state["least_scores"].items())
    lines += [
        f"Mentions with a lower score than this are left out: {least}.",
        f"Epoch: {best['epoch']} of {len(state['epochs'])}.",
        "",
        "| corpus | types | documents | mentions | overlapping, left out | cut by sentences, left out |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for split, corpora in state["corpora"].items():
        for number, each in enumerate(corpora, 1):
            mentions = sum(each["mentions"].values())
            left = f"{each.get('overlapping', '')} | {each.get('cut', '')}"
            kinds = ", ".join(each["types"])
            lines.append(f"| {split} {number} | {kinds} | {each['documents']} | {mentions} | {left} |")
    lines += ["", "| parameter | value |", "| --- | --- |"]
    lines += [f"| {name} | {value} |" for name, value in state["parameters"].items()]
    lines.append(f"| seed | {state['identity']['seed']} |")
    if best["scores"]:
        lines += ["", "Spans with the right place and type, on the validation corpora:", *_HEADER]
        for number, scores in enumerate(best["corpora"], 1):
            lines += _rows(f"val {number}", scores)
        if len(best["corpora"]) > 1:
            lines += _rows(ALL, best["scores"])
    if state["combination"]:
        lines += ["", f"With a dictionary (fingerprint {state['combination']['dictionary']}):", *_HEADER]
        for name, scores in state["combination"]["scores"].items():
            lines += _rows(name, scores)
    return "\n".join(lines) + "\n"


def _rows(name: str, scores: dict[str, dict[str, float]]) -> list[str]:
    kinds = [kind for kind in scores if kind != ALL or len(scores) > 2]
    names = ("precision", "recall", "F1")
    return [f"| {' | '.join([name, kind, *(f'{scores[kind][each]:.4f}' for each in names)])} |" for kind in kinds]
