"""A cross-encoder's training in each of its workers, epoch by epoch; the weights of the best epoch are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from raybel.encoders.precision import best_precision
from raybel.encoders.training import EpochTrainer, WatchEpoch, sum_over_workers
from raybel.errors import ConfigError
from raybel.files import storage
from raybel.rerank import model as models
from raybel.rerank.calibration import Calibration
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.tokens import Tokens
from raybel.rerank.training.sources import RANGE_EDGES, JoinedSources, open_sources
from raybel.rerank.training.trainer import Trainer
from raybel.rerank.training.validation import ValidationResult

#: What the only source is where the settings name none.
_ONLY = {"name": "main", "folder": "", "generator": "", "ontology": ""}
#: The stage of epochs on ontologies' names.
NAMES = "names"


class Epochs(EpochTrainer):
    """Trains a cross-encoder epoch by epoch; each worker has one.

    Epochs on ontologies' names come first, with a learning rate that rises and falls over these alone. Each counts as
    the best so far, until the first one on corpora is done.

    Args:
        settings: `base` (directory of the base model), `features` (their directory), `crosstype`, `parameters`,
            `positions`, `precision`, `seed`, `threads`; `corpora` and `names`, as `sources.open_sources` takes them
            (the first corpus is the main one), where there are others than a single corpus; `candidate_sets` and
            `top_k` where only a part of the features counts.
        device: Where to compute: `cpu` or a CUDA device.
        worker: Number of the worker.
        workers: How many there are; several have a `torch.distributed` group.
    """

    trainer: Trainer

    def __init__(self, settings: dict[str, Any], device: str = "cpu", worker: int = 0, workers: int = 1) -> None:
        self.parameters = CrossEncoderParameters(**settings["parameters"])
        if device == "cpu":
            torch.set_num_threads(settings["threads"])
        folder, top_k, sets = settings["features"], settings.get("top_k"), settings.get("candidate_sets")
        self.corpora = open_sources(folder, settings.get("corpora", [_ONLY]), top_k, sets)
        self.named = open_sources(folder, settings.get("names", []))
        self.train, self.names = JoinedSources(self.corpora), JoinedSources(self.named)
        self.pretraining = self.parameters.pretrain_epochs if len(self.names) else 0
        torch.manual_seed(settings["seed"])
        model, tokenizer = models.load(
            storage.localise(settings["base"]), False, self.parameters.dropout, self.parameters.layers
        )
        precision = settings["precision"] or best_precision(device.split(":")[0])
        tokens = Tokens(tokenizer, settings["positions"], self.parameters, RANGE_EDGES)
        if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:  # type: ignore[index]
            model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        trainer = Trainer(
            model,
            settings["crosstype"],
            tokens,
            self.parameters,
            "fp32" if precision == "fp16" else precision,  # gradients underflow in fp16
            device,
            settings["seed"],
            worker,
            workers,
            sum_over_workers if workers > 1 else None,
        )
        epochs = self.parameters.max_epochs if len(self.train) or not self.pretraining else 0
        super().__init__(trainer, tokenizer, self.pretraining + epochs, self.parameters.patience)
        judging = self.corpora if worker == 0 else []
        judged = [(source, source.with_prior([*source.validation.examples()])) for source in judging]
        self.validation = {source.name: (source, examples) for source, examples in judged if examples}

    @property
    def stage(self) -> str:
        """What the next epoch is trained on."""
        return "pre-training on names" if len(self.records) < self.pretraining else super().stage

    def train_epoch(self, number: int, watch: WatchEpoch | None) -> float:
        """Train an epoch; return its mean loss.

        Raises:
            ConfigError: There is nothing to learn.
        """
        if number < self.pretraining:
            documents, of_stage, epochs = self.names, number, self.pretraining
        else:
            documents, of_stage, epochs = self.train, number - self.pretraining, self.parameters.max_epochs
        loss = self.trainer.epoch(range(len(documents)), documents.document, of_stage, watch, epochs)
        if loss is None:
            kind = "unsure training mention" if self.parameters.train_on == "unsure" else "training mention"
            raise ConfigError(f"nothing to learn: no {kind} has a candidate")
        return loss

    def judge(self) -> dict[str, Any]:
        """Return an epoch's scores, whether it is the best so far, and the calibration of its scores."""
        results = {
            name: self.trainer.validate(examples, [source.shown(example) for example in examples])
            for name, (source, examples) in self.validation.items()
        }
        main = self.corpora[0].name if self.corpora else ""
        if len(self.records) < self.pretraining:
            return self._judged(results, main) | {"stage": NAMES, "best": True}
        return self._judged(results, main)

    def facts(self) -> dict[str, Any]:
        """Return what linking needs to know of generators.

        `edges`: the main one's borders between scores; `generators`: of several, those of each; `priors`: of each that
        has one.
        """
        facts = [source.facts() for source in (*self.corpora, *self.named)]
        priors = {source.prior.generator: source.prior.to_dict() for source in self.corpora if source.prior is not None}
        return {
            "edges": facts[0]["edges"],
            "generators": facts if len(facts) > 1 else [],
            "priors": [*priors.values()],
        }

    def _judged(self, results: Mapping[str, ValidationResult], main: str) -> dict[str, Any]:
        """Return an epoch's scores, and whether it is the best so far; without a validation corpus the last one is.

        Epochs are compared by the mean over the corpora, of those that have a score.

        Args:
            results: Of each corpus that is judged by.
            main: The corpus whose scores are shown first, and whose calibration counts.
        """
        metric, better = self.parameters.metric, -1 if self.parameters.metric == "loss" else 1
        value = _mean([result.scores[metric] for result in results.values()])
        loss = _mean([result.scores["loss"] for result in results.values()])

        def standing(value: float, loss: float | None) -> tuple[float, float]:
            """Return what epochs are compared by: of equal values the one with the lower loss is better."""
            return better * value, -(loss or 0.0)

        earlier = [record for record in self.records if record["value"] is not None and record.get("stage") != NAMES]
        before = [standing(record["value"], record["validation_loss"]) for record in earlier]
        best = value is None or not before or standing(value, loss) > max(before)
        judged = results.get(main)
        calibration = judged.calibration if judged else None
        if calibration is None and self.parameters.loss == "listwise":
            calibration = Calibration()  # the softmax that it was trained with
        weights = calibration.to_dict() if calibration else None
        record = {"scores": judged.scores if judged else None, "value": value, "validation_loss": loss, "best": best}
        corpora = {"corpora": {name: result.scores for name, result in results.items()}} if results else {}
        return record | corpora | {"calibration": weights}


def _mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of the values that there are, None where there are none."""
    held = [value for value in values if value is not None]
    return sum(held) / len(held) if held else None
