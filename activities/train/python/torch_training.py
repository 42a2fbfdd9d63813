"""The training loop of the PyTorch trainers: Adam, mini-batches, early stopping, checkpoints, CUDA where it
is given.

A resumed training ends with the weights of an unbroken one, bit for bit on one device: the order of the
rows depends on seed and epoch alone, and a checkpoint has weights, optimizer, random state and place.
"""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Iterator
from typing import Any

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # CUDA's own condition for equal results

import numpy as np
import torch
from torch import nn

from esteira_trainer import Rows, training

own = training.parameters
epochs = int(own.get("epochs", 20))
batch_size = max(1, int(own.get("batch_size", 1_024) * training.batch_scale))
patience = int(own.get("patience", 5))
every = float(own.get("checkpoint_seconds", 30))
outputs = len(training.classes) if training.multiclass else 1
_cached: dict[str, Rows] = {}
_cache_rows = 2_000_000


class Embedded(nn.Module):
    """The numeric columns, and each category as a short vector: one matrix [n, width]."""

    def __init__(self) -> None:
        super().__init__()
        layout = training.layout
        sizes = [(one["cardinality"], one["dimensions"]) for one in layout["categorical"]]
        self.embeddings = nn.ModuleList(nn.Embedding(*size) for size in sizes)
        self.width = len(layout["numeric"]) + sum(dimensions for _, dimensions in sizes)

    def forward(self, numeric: torch.Tensor, categorical: torch.Tensor) -> torch.Tensor:
        vectors = [each(categorical[:, k]) for k, each in enumerate(self.embeddings)]
        return torch.cat([*([numeric] if training.layout["numeric"] else []), *vectors], dim=1)


class Answering(nn.Module):
    """What Esteira asks for: probabilities, or values in the units of the label."""

    def __init__(self, network: nn.Module, mean: float, spread: float) -> None:
        super().__init__()
        self.network, self.mean, self.spread = network, mean, spread

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        numeric = inputs[0] if training.layout["numeric"] else None
        said = self.network(numeric, inputs[-1])
        if training.multiclass:
            return torch.softmax(said, dim=1)
        return torch.sigmoid(said[:, 0]) if training.binary else said[:, 0] * self.spread + self.mean


def rows_of(path: str) -> Rows:
    """Small data stays in memory, for each epoch reads it again."""
    if path not in _cached:
        rows = training.part(path)
        if sum(map(len, _cached.values())) + len(rows) > _cache_rows:
            return rows
        _cached[path] = rows
    return _cached[path]


def batches(epoch: int, device: str) -> Iterator[list[torch.Tensor]]:
    """All rows once; parts and rows in an order that seed and epoch decide."""
    dice = np.random.default_rng((training.seed, epoch))
    for part in dice.permutation(len(training.train)):
        rows = rows_of(training.train[part])
        order = dice.permutation(len(rows))
        for at in range(0, len(rows), batch_size):
            yield tensors(rows[order[at : at + batch_size]], device)


def tensors(rows: Rows, device: str) -> list[torch.Tensor]:
    return [torch.from_numpy(each).to(device) for each in vars(rows).values()]


class Loop:
    def __init__(self, network: nn.Module) -> None:
        self.device = training.device if torch.cuda.is_available() else "cpu"
        self.network = network.to(self.device)
        rate, decay = float(own.get("learning_rate", 0.001)), float(own.get("weight_decay", 0))
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=rate, weight_decay=decay)
        self.mean, self.spread = label_scale() if training.task == "regression" else (0.0, 1.0)
        # No batch spans two parts.
        self.steps = epochs * sum(-(-training.rows_in(path) // batch_size) for path in training.train)
        self.state: dict[str, Any] = {"epoch": 0, "batch": 0, "step": 0, "loss": 0.0, "weight": 0.0}
        self.best: dict[str, Any] = {"loss": float("inf"), "epoch": -1, "weights": {}}
        self.saved_at = time.monotonic()

    def losses(self, numeric, categorical, label) -> torch.Tensor:
        said = self.network(numeric, categorical)
        if training.multiclass:
            return nn.functional.cross_entropy(said, label.long(), reduction="none")
        if training.binary:
            return nn.functional.binary_cross_entropy_with_logits(said[:, 0], label, reduction="none")
        return (said[:, 0] - (label - self.mean) / self.spread) ** 2

    def run(self) -> None:
        training.device_is(self.device)
        if training.checkpoint:
            self.restore(training.checkpoint)
        while self.state["epoch"] < epochs and not training.finishing:
            self.epoch()
            if patience and self.state["epoch"] - 1 - self.best["epoch"] >= patience:
                return

    def epoch(self) -> None:
        state = self.state
        self.network.train()
        for at, (numeric, categorical, label, weight) in enumerate(batches(state["epoch"], self.device)):
            if at < state["batch"]:
                continue  # a predecessor has done it
            losses = self.losses(numeric, categorical, label)
            loss = (losses * weight).sum() / weight.sum()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            state["batch"], state["step"] = at + 1, state["step"] + 1
            state["loss"] += float(loss.detach() * weight.sum())
            state["weight"] += float(weight.sum())
            if not np.isfinite(state["loss"]):
                training.diverged(state["step"])
            if training.stopping or time.monotonic() - self.saved_at > every:
                self.save()
            if training.stopping:
                training.leave()
            if training.finishing:
                break
        train_loss = state["loss"] / state["weight"]
        validation = self.validate()
        if validation.get("validation_loss", train_loss) < self.best["loss"]:
            weights = copy.deepcopy(self.network.state_dict())
            self.best = {
                "loss": validation.get("validation_loss", train_loss),
                "epoch": state["epoch"],
                "weights": weights,
            }
        state.update(epoch=state["epoch"] + 1, batch=0, loss=0.0, weight=0.0)
        training.progress(state["step"], self.steps, train_loss=train_loss, **validation)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        self.network.eval()
        total = weights = 0.0
        for path in training.validation:
            rows = rows_of(path)
            for at in range(0, len(rows), 32_768):
                numeric, categorical, label, weight = tensors(rows[at : at + 32_768], self.device)
                total += float((self.losses(numeric, categorical, label) * weight).sum())
                weights += float(weight.sum())
        return {"validation_loss": total / weights} if weights else {}

    def save(self) -> None:
        """As numpy's arrays and JSON, which hold no programs: PyTorch's own format is a pickle."""
        arrays = {f"network/{name}": value for name, value in self.network.state_dict().items()}
        arrays |= {f"best/{name}": value for name, value in self.best["weights"].items()}
        for key, kept in self.optimizer.state_dict()["state"].items():
            arrays |= {f"optimizer/{key}/{name}": torch.as_tensor(value) for name, value in kept.items()}
        arrays["random"] = torch.get_rng_state()
        if self.device == "cuda":
            arrays["cuda_random"] = torch.cuda.get_rng_state()
        best = {"loss": self.best["loss"], "epoch": self.best["epoch"]}
        words = json.dumps({"state": self.state, "best": best, "batch_size": batch_size})

        def write(path: str) -> None:
            with open(path, "wb") as file:
                np.savez(file, words=words, **{name: value.cpu().numpy() for name, value in arrays.items()})

        training.save_checkpoint(write)
        self.saved_at = time.monotonic()

    def restore(self, path: str) -> None:
        with np.load(path, allow_pickle=False) as saved:
            words = json.loads(str(saved["words"]))
            arrays = {name: torch.from_numpy(saved[name]) for name in saved.files if name != "words"}
        self.network.load_state_dict(below(arrays, "network"))
        kept: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in below(arrays, "optimizer").items():
            key, _, what = name.partition("/")
            kept.setdefault(int(key), {})[what] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": kept})
        torch.set_rng_state(arrays["random"])
        if self.device == "cuda" and "cuda_random" in arrays:
            torch.cuda.set_rng_state(arrays["cuda_random"])
        self.state, self.best = words["state"], {**words["best"], "weights": below(arrays, "best")}
        if (
            words["batch_size"] != batch_size
        ):  # after out of memory: the epoch begins anew, in smaller batches
            self.state.update(batch=0, loss=0.0, weight=0.0)

    def export(self) -> None:
        if self.best["weights"]:
            self.network.load_state_dict(self.best["weights"])
        model = Answering(self.network, self.mean, self.spread).cpu().eval()
        names = [name for name in ("numeric", "categorical") if training.layout[name]]

        def inputs(rows: Rows) -> tuple[torch.Tensor, ...]:
            return tuple(torch.from_numpy(getattr(rows, name)) for name in names)

        path = str(training.work / "exported.onnx")
        axes = {name: {0: "n"} for name in (*names, "output")}
        words = {"input_names": names, "output_names": ["output"], "dynamic_axes": axes, "opset_version": 17}
        # The older exporter: it writes plain operators, in one file.
        older = {"dynamo": False} if "dynamo" in torch.onnx.export.__code__.co_varnames else {}
        example = inputs(rows_of(training.train[0])[:2])
        torch.onnx.export(model, example, path, **words, **older)
        with torch.no_grad():
            metrics = {"validation_loss": self.best["loss"]} if training.validation else {}
            training.model(path, metrics, lambda rows: model(*inputs(rows)).numpy())


def below(arrays: dict[str, torch.Tensor], folder: str) -> dict[str, torch.Tensor]:
    return {name[len(folder) + 1 :]: value for name, value in arrays.items() if name.startswith(f"{folder}/")}


def label_scale() -> tuple[float, float]:
    """Values are learned as distances from their mean, in standard deviations."""
    sums = np.zeros(3)
    for path in training.train:
        label = rows_of(path).label.astype(np.float64)
        sums += [len(label), label.sum(), (label**2).sum()]
    mean = sums[1] / sums[0]
    return float(mean), float(np.sqrt(max(sums[2] / sums[0] - mean**2, 0)) or 1)


def prepare() -> None:
    """Before the network is made, whose first weights are drawn."""
    torch.manual_seed(training.seed)
    torch.set_num_threads(training.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
