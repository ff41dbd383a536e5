"""The model card of a trained cross-encoder."""

from __future__ import annotations

from typing import Any

from raybel.rerank.layouts import LAYOUTS


def model_card(base: str, state: dict[str, Any]) -> str:
    """Return the text of a model card: data, hyper-parameters, scores.

    Args:
        base: Name of the model that training started from.
        state: What is written to `raybel.json`.
    """
    plain = "It loads with `AutoModelForTokenClassification`."
    tree = "Its attention mask and positions are raybel's (`tree`): use it through `raybel link`."
    prior = bool(state.get("priors"))
    best = [epoch for epoch in state["epochs"] if epoch["best"]][-1]
    lines = [
        "---",
        "library_name: transformers",
        "pipeline_tag: token-classification",
        "---",
        "",
        f"# Cross-encoder of the type {state['crosstype']}",
        "",
        f"Made by raybel from `{base}`: ranks the concepts proposed for a mention. The score of a candidate is the",
        "second label's logit less the first's at the `[MASK]` before its name. "
        + (tree if LAYOUTS[state["crosstype"]].tree else plain),
        *(
            ["What it learned is what its prior (`priors` in `raybel.json`) doesn't tell: its evidence is added."]
            * prior
        ),
        "",
        f"Ontology: fingerprint {state['ontology_fingerprint']}. Candidates: {state['generator']}. Epoch: "
        f"{best['epoch']} of {len(state['epochs'])}.",
        *_sources(state),
        "",
        *_left_out(state),
        "| parameter | value |",
        "| --- | --- |",
        *(f"| {name} | {value} |" for name, value in state["parameters"].items()),
        f"| seed | {state['identity']['seed']} |",
    ]
    judged = best.get("corpora", {})
    for corpus, scores in judged.items():
        which = "the validation corpus" if len(judged) == 1 else f"the validation corpus of {corpus}"
        lines += ["", f"On {which}:", "", "| score | value |", "| --- | --- |"]
        lines += [f"| {name} | {value:.4f} |" for name, value in scores.items() if value is not None]
    if state["calibration"]:
        held = {name: value for name, value in state["calibration"].items() if prior or name != "prior"}
        weights = ", ".join(f"{name} {value}" for name, value in held.items())
        lines += ["", f"Weights of the evidence, fitted there: {weights}."]
    for cascade in state.get("cascades", ()):
        by = "first stage and prior" if cascade.get("settled") else "the first stage"
        where = f"With candidates of {cascade['generator']}"
        if cascade["sure_from"] is not None:
            lines += ["", f"{where}, sure, and not re-ranked, from a probability by {by} of {cascade['sure_from']}."]
        if cascade.get("pruned_below") is not None:
            pruned = f"candidates of unsure mentions aren't scored below a probability by {by} of"
            lines += ["", f"{where}, {pruned} {cascade['pruned_below']}."]
    return "\n".join(lines) + "\n"


def _left_out(state: dict[str, Any]) -> list[str]:
    """Say how many mentions the first stage settled, where training left them out."""
    if state["parameters"]["train_on"] == "all":
        return []
    sure = sum(counts["sure"] for name, counts in state["counts"].items() if name.endswith("train"))
    share = state["parameters"]["sure_share"]
    return [f"Sure, and learned from in an epoch with a probability of {share} only: {sure} training mentions.", ""]


def _sources(state: dict[str, Any]) -> list[str]:
    """Return the tables of the corpora and of the ontologies whose names were learned."""
    lines: list[str] = []
    if state["counts"]:
        lines += ["", "| corpus | documents | mentions | left out |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {name} | {c['documents']} | {c['mentions']} | {c['left_out']} |" for name, c in state["counts"].items()
        ]
    if names := state.get("names"):
        lines += ["", "| names of | drawn | mentions | without their concept among the candidates |"]
        lines += ["| --- | --- | --- | --- |"]
        lines += [
            f"| {path.rpartition('/')[2]} | {c['drawn']} | {c['mentions']} | {c['without_gold']} |"
            for path, c in names.items()
        ]
    return lines
