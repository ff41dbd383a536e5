"""What each worker of the encoder's training does."""

from __future__ import annotations

import copy
import math
import tempfile
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray.train
import torch
import torch.distributed as dist
from safetensors.torch import save_file

from raybel.candidates.aliases import AliasTable, Hits
from raybel.candidates.recall import read_splits
from raybel.candidates.training.alignment import TrainingStrings
from raybel.candidates.training.losses import Group, MentionLoss, SynonymLoss, batches
from raybel.candidates.training.parameters import AlignmentParameters
from raybel.config import MentionOptions
from raybel.encoders.precision import best_precision
from raybel.encoders.text_encoder import TextEncoder
from raybel.encoders.training import Position, random_state, set_random_state
from raybel.errors import RaybelError
from raybel.evaluation.metrics import gold_ranks, summarise
from raybel.files import storage
from raybel.files.storage import join
from raybel.jobs.train.checkpoints import Checkpoints
from raybel.jobs.train.config import VALIDATION_TOP_K
from raybel.jobs.train.directory import PROGRESS
from raybel.jobs.train.run import load_checkpoint, load_weights, save_checkpoint, without_retries
from raybel.ontology import Ontology

#: Steps of each stage in which the learning rate rises.
WARM_UP = 30
WEIGHTS, _BEGUN = "model.safetensors", "begun.safetensors"


def train_worker(settings: dict[str, Any]) -> None:
    """Train; one call per worker. Goes on from the last checkpoint where there is one."""
    without_retries(lambda: Worker(settings).run(), settings["home"])


class Worker:
    """One worker: the model, the optimiser, and the epochs that are left."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings, self.home = settings, settings["home"]
        self.parameters = AlignmentParameters().changed(settings["parameters"])
        context = ray.train.get_context()
        self.rank, self.workers = context.get_world_rank(), context.get_world_size()
        self.device = ray.train.torch.get_device()
        if self.device.type == "cpu":
            torch.set_num_threads(settings["threads"])
        self.precision = best_precision(self.device.type)
        ontology = Ontology.open(settings["ontology"])
        corpora = {name: tuple(settings[f"{name}_corpus"]) for name in ("train", "val")}
        splits = read_splits(corpora, ontology, MentionOptions(**settings["mentions"]))
        training = splits["train"].mentions if "train" in splits else []
        self.validation = splits["val"].mentions if "val" in splits else []
        self.tables = {"without_training_aliases": AliasTable.build(ontology)}
        if training:
            self.tables["with_training_aliases"] = AliasTable.build(ontology, training)
        dictionary, aliases = self.tables["without_training_aliases"], list(self.tables.values())[-1]
        self.data = TrainingStrings(dictionary, training, aliases, self.parameters)
        torch.manual_seed(settings["seed"])
        base = storage.localise(join(self.home, "base"))
        self.encoder = TextEncoder.load(base, settings["pooling"], "fp32", str(self.device))
        self.model = self.encoder.model
        self.base = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.checkpoints = Checkpoints(self.home, settings["checkpoint_seconds"], str(self.device))
        self.epochs: list[dict[str, Any]] = []
        self.resumed = 0
        #: The weights that the epoch began with, on the CPU: what it is trained on depends on them.
        self.begun: dict[str, torch.Tensor] = {}
        self.interrupted: _Interrupted | None = None

    def run(self) -> None:
        """Train the epochs that are left, save checkpoints after each and within, and the result at the end."""
        schedule = [("synonyms", n) for n in range(self.parameters.synonym_epochs)] if self.data.synonyms else []
        if self.data.mentions:
            schedule += [("mentions", n) for n in range(self.parameters.mention_epochs)]
        optimiser = self._optimiser()
        if (checkpoint := ray.train.get_checkpoint()) is not None:
            with checkpoint.as_directory() as folder:
                self._load(Path(folder), optimiser)
        self.resumed = len(self.epochs)
        for number in range(len(self.epochs), len(schedule)):
            stage, within = schedule[number]
            if within == 0 and self.interrupted is None:
                optimiser = self._optimiser()
            begun = time.perf_counter() - (self.interrupted.at.seconds if self.interrupted else 0.0)
            self.begun = _on_cpu(self.model) if self.rank == 0 else {}
            pool = self.data.pool(self._rng(number, "pool"))
            vectors = self._encode([self.data.strings[row] for row in pool.tolist()], self.model)
            scores = self._validate(pool, vectors, self.model)
            make = self.data.synonym_groups if stage == "synonyms" else self.data.mention_groups
            groups = make(pool, vectors, self._rng(number, "groups"))
            del vectors
            stage_epochs = sum(scheduled == stage for scheduled, _ in schedule)
            loss = self._epoch(stage, within, stage_epochs, groups, optimiser, number, begun)
            seconds = time.perf_counter() - begun
            record = {"stage": stage, "epoch": within + 1, "loss": loss, "seconds": seconds, "before": scores}
            self.epochs.append({**record, "groups": len(groups)})
            final = number + 1 == len(schedule)
            self._report(optimiser, self._finish() if final else None)

    def _rng(self, number: int, purpose: str) -> np.random.Generator:
        """Return a random generator, the same on every worker."""
        return np.random.default_rng([self.settings["seed"], number, sum(map(ord, purpose))])

    def _optimiser(self) -> torch.optim.AdamW:
        return torch.optim.AdamW(self.model.parameters(), weight_decay=0.01)  # the rate is set in every step

    def _epoch(
        self,
        stage: str,
        within: int,
        epochs: int,
        groups: list[Group],
        optimiser: torch.optim.AdamW,
        number: int,
        begun: float,
    ) -> float | None:
        """Train on groups; return the mean loss, None without any. `begun` is when the epoch began."""
        torch.manual_seed(self.settings["seed"] * 1_000_003 + number * self.workers + self.rank)
        synonyms = stage == "synonyms"
        size = self.parameters.batch_size if synonyms else max(1, self.parameters.batch_size // 2)
        rate = self.parameters.synonym_learning_rate if synonyms else self.parameters.mention_learning_rate
        steps = list(batches(groups, size, self.rank, self.workers))
        loss_of = SynonymLoss() if synonyms else MentionLoss(self.parameters.temperature)
        last: deque[float] = deque(maxlen=20)
        shown = 0.0
        at, states = Position(), None
        if self.interrupted is not None:
            at, states = self.interrupted.at, self.interrupted.random_states
            self.model.load_state_dict(self.interrupted.weights)
            self.interrupted = None
        self.model.train()
        taken = at.steps
        for step, batch in enumerate(steps):
            if step < taken:
                continue
            if step == taken and states is not None:
                set_random_state(str(self.device), states)
            done = (within * len(steps) + step) / (epochs * len(steps))
            warm = min(1.0, (within * len(steps) + step + 1) / WARM_UP)
            for group in optimiser.param_groups:
                group["lr"] = rate * warm * (1 - done)
            loss = loss_of(self._forward([string for string, _ in loss_of.strings(batch)]), batch)
            if not math.isfinite(loss.item()):
                raise RaybelError(
                    f"the loss isn't a number ({loss.item()}) in step {step + 1} of {stage}, epoch {within + 1}: lower "
                    "the learning rate, and check that the base model's weights aren't damaged"
                )
            optimiser.zero_grad()
            loss.backward()
            self._average_gradients()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            optimiser.step()
            last.append(loss.item())
            at = Position(step + 1, at.loss + loss.item(), at.weight + 1, time.perf_counter() - begun)
            if self.rank == 0 and time.time() - shown > 2:
                shown = time.time()
                value = {"stage": stage, "epoch": within + 1, "epochs": epochs, "step": step + 1, "steps": len(steps)}
                storage.publish_json(join(self.home, PROGRESS), {**value, "loss": float(np.mean(last))})
            if self.checkpoints.due():
                self._report(optimiser, None, at)
        self.model.eval()
        return at.loss / at.weight if at.weight else None

    def _forward(self, strings: list[str]) -> torch.Tensor:
        """Return unit vectors with gradients. Strings of about one length go through the model together."""
        distinct = list(dict.fromkeys(strings))
        ids = self.encoder.token_ids(distinct)
        order = sorted(range(len(distinct)), key=lambda row: len(ids[row]))
        batches_of_vectors = []
        half = torch.bfloat16 if self.precision == "bf16" else torch.float16
        for start in range(0, len(order), 64):
            batch = self.encoder.tokenizer.pad({"input_ids": [ids[row] for row in order[start : start + 64]]})
            tokens = torch.tensor(batch["input_ids"], device=self.device)
            mask = torch.tensor(batch["attention_mask"], device=self.device)
            with torch.autocast(self.device.type, half, enabled=self.precision == "bf16"):
                hidden = self.model(input_ids=tokens, attention_mask=mask).last_hidden_state.float()
            weight = mask.unsqueeze(-1).float()
            cls = self.encoder.pooling == "cls"
            batches_of_vectors.append(hidden[:, 0] if cls else (hidden * weight).sum(1) / weight.sum(1))
        place = {distinct[row]: index for index, row in enumerate(order)}
        vectors = torch.nn.functional.normalize(torch.cat(batches_of_vectors), dim=1)
        return vectors[[place[string] for string in strings]]

    def _average_gradients(self) -> None:
        """Average gradients by hand, not by DDP: a batch is several forward passes, and may not use all weights."""
        if self.workers > 1:
            for weight in self.model.parameters():
                if weight.requires_grad:
                    weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
                    dist.all_reduce(weight.grad)
                    weight.grad /= self.workers

    def _encode(self, strings: list[str], model: Any) -> np.ndarray:
        """Return unit vectors of strings, float32; each worker encodes its share."""
        frozen = TextEncoder(
            copy.deepcopy(model), self.encoder.tokenizer, self.encoder.pooling, self.precision, str(self.device)
        )
        own = frozen.encode(strings[self.rank :: self.workers])
        if self.workers == 1:
            return own
        width = -(-len(strings) // self.workers)
        padded = torch.zeros((width, own.shape[1]), device=self.device)
        padded[: len(own)] = torch.from_numpy(own)
        parts = [torch.empty_like(padded) for _ in range(self.workers)]
        dist.all_gather(parts, padded)
        whole = torch.stack(parts, 1).reshape(-1, own.shape[1])  # row i of worker r is string i * workers + r
        vectors: np.ndarray = whole[: len(strings)].cpu().numpy()
        return vectors

    def _validate(self, pool: np.ndarray, vectors: np.ndarray, model: Any) -> dict[str, Any] | None:
        """Return recall on the validation corpus, without and with training aliases; None where strings are sampled."""
        if not self.validation or len(pool) < len(self.data.strings):
            return None
        surfaces = sorted({surface for surface, _ in self.validation})
        queries = self._encode(surfaces, model)
        scores = {}
        for name, table in self.tables.items():
            rows = [self.data.row[string] for string in table.strings()]
            rankings = exact(table, vectors[rows], queries, VALIDATION_TOP_K)
            by_surface = {s: ranking["concept"].tolist() for s, ranking in zip(surfaces, rankings, strict=True)}
            scores[name] = summarise(
                gold_ranks([by_surface[s] for s, _ in self.validation], [[c] for _, c in self.validation])
            )
        return scores

    def _finish(self) -> dict[str, Any] | None:
        """Average with the base model's weights, write the result's, and return its scores."""
        share = self.parameters.average
        trained = self.model.state_dict()
        mixed = {
            name: torch.lerp(value, trained[name], share) if value.is_floating_point() else value
            for name, value in self.base.items()
        }
        model = copy.deepcopy(self.model)
        model.load_state_dict(mixed)
        if self.rank == 0:
            with tempfile.TemporaryDirectory() as folder:
                model.save_pretrained(folder)
                storage.publish(join(self.home, WEIGHTS), storage.copy_bytes(f"{folder}/{WEIGHTS}"))
        scores = None
        if self.validation:
            pool = np.arange(len(self.data.strings))
            if len(pool) <= self.parameters.pool_strings:
                scores = self._validate(pool, self._encode(self.data.strings, model), model)
        return scores

    def _report(self, optimiser: torch.optim.AdamW, scores: dict[str, Any] | None, at: Position | None = None) -> None:
        """Save a checkpoint: after an epoch, or where it is within one."""
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = None
            state = {"epochs": self.epochs, "scores": scores, "resumed": self.resumed}
            if at is not None:
                state["position"] = self.checkpoints.position(at, random_state(str(self.device)), folder)
            if self.rank == 0:
                if at is not None:
                    save_file(self.begun, f"{folder}/{_BEGUN}")
                checkpoint = save_checkpoint(folder, self.model, optimiser, state)
            self.checkpoints.report(len(self.epochs), checkpoint)

    def _load(self, folder: Path, optimiser: torch.optim.AdamW) -> None:
        """Go on from a checkpoint; from one within an epoch, with the weights that the epoch began with first."""
        state = load_checkpoint(folder, self.model, optimiser)
        self.epochs = state["epochs"]
        if (position := state.get("position")) is not None:
            self.interrupted = _Interrupted(*self.checkpoints.load(position, folder), _on_cpu(self.model))
            self.model.load_state_dict(load_weights(folder / _BEGUN))


@dataclass(frozen=True)
class _Interrupted:
    """An epoch that goes on within: where, what was random there, and the weights there, on the CPU."""

    at: Position
    random_states: dict[str, torch.Tensor]
    weights: dict[str, torch.Tensor]


def _on_cpu(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.detach().cpu().clone().contiguous() for name, value in model.state_dict().items()}


def exact(table: AliasTable, vectors: np.ndarray, queries: np.ndarray, top_k: int) -> list[np.ndarray]:
    """Return the best concepts of queries among a table's strings, as the dense generator would, at fixed depth."""
    depth = min(len(vectors), 40 * top_k)
    rankings: list[np.ndarray] = []
    for start in range(0, len(queries), 256):
        scores = torch.from_numpy(queries[start : start + 256]) @ torch.from_numpy(vectors).T
        score, row = scores.topk(depth, 1)
        query = np.repeat(np.arange(len(score)), depth)
        rounded = np.round(score.numpy().ravel(), 5).astype(np.float32)
        rankings += table.best_concepts(Hits(query, row.numpy().ravel(), rounded), len(score), top_k, depth)[0]
    return rankings
