"""The kit for trainers in Python: the request, the rows, and the words to say.

`from esteira_trainer import training` is all it takes; docs/trainers.md has a script to begin with. Needs
Python 3.9; numpy and pyarrow are imported by what reads rows. From its import on, standard output belongs
to the protocol: what a script or a library prints goes to the log. Where several processes train, only RANK
0 speaks.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterator, NoReturn

if TYPE_CHECKING:
    import numpy as np

_started = time.monotonic()
_words = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)
_sample_rows = 1_000


@dataclass
class Rows:
    """Rows of one part or several. A categorical value is an index; 0 stands for all that is unknown."""

    numeric: np.ndarray  # float32 [n, N]
    categorical: np.ndarray  # int64 [n, C]
    label: np.ndarray  # float32 [n]: 0 or 1, the index of the class, or the value
    weight: np.ndarray  # float32 [n]

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, rows: Any) -> Rows:
        return Rows(self.numeric[rows], self.categorical[rows], self.label[rows], self.weight[rows])


class Training:
    """One training. `stopping`: save a checkpoint and `leave()`. `finishing`: say the best model, and end."""

    def __init__(self, path: str) -> None:
        self.request: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
        self.task: str = self.request["task"]
        self.layout: dict[str, Any] = self.request["layout"]
        self.classes: list[str] = self.layout["classes"]
        self.parameters: dict[str, Any] = dict(self.request["parameters"])
        self.seed: int = self.request["seed"]
        self.train: list[str] = self.request["train"]
        self.validation: list[str] = self.request["validation"]
        self.row_counts: dict[str, int] = self.request["rows"]
        self.device: str = self.request.get("device", "cpu")
        self.devices: list[dict[str, Any]] = self.request.get("devices", [])
        self.batch_scale: float = self.request.get("batchScale", 1)
        self.work = Path(self.request["work"])
        self.checkpoint: str | None = self.request.get("checkpoint")
        self.threads = int(os.environ.get("OMP_NUM_THREADS") or _cores())
        self.stopping = self._finish = False
        self._speaks = os.environ.get("RANK", "0") == "0"
        self._checkpoints: list[Path] = []
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stopping", True))
        signal.signal(signal.SIGUSR1, lambda *_: setattr(self, "_finish", True))

    @property
    def binary(self) -> bool:
        return self.task == "binary-classification"

    @property
    def multiclass(self) -> bool:
        return self.task == "multiclass-classification"

    @property
    def seconds_left(self) -> float | None:
        """Until the budget is spent; None when there is none."""
        budget = self.request.get("secondsLeft")
        return None if budget is None else budget - (time.monotonic() - _started)

    @property
    def finishing(self) -> bool:
        left = self.seconds_left
        return self._finish or (left is not None and left <= 0)

    # What a trainer says.

    def _say(self, event: str, **words: Any) -> None:
        if self._speaks:
            print(json.dumps({"event": event, **words}, allow_nan=False), file=_words, flush=True)

    def progress(self, step: float, steps: float, **metrics: float) -> None:
        """What is not finite is left out, for JSON has no NaN; if it is a loss, the training has diverged."""
        if any(name.endswith("loss") and not math.isfinite(value) for name, value in metrics.items()):
            self.diverged(step)
        self._say("progress", step=step, steps=steps, metrics=_finite(metrics))

    def metric(self, name: str, step: float, value: float) -> None:
        if math.isfinite(value):
            self._say("metric", name=name, step=step, value=float(value))

    def log(self, message: str) -> None:
        self._say("log", message=message)

    def device_is(self, name: str) -> None:
        """What the arithmetic runs on: cpu, cuda."""
        self._say("device", name=name)

    def diverged(self, step: float) -> NoReturn:
        self._say("diverged", step=step)
        sys.exit(1)

    def out_of_memory(self, message: str = "") -> NoReturn:
        self._say("out-of-memory", message=message[:1_000])
        sys.exit(1)

    @contextlib.contextmanager
    def memory_guard(self) -> Iterator[None]:
        """`with training.memory_guard():` or `@training.memory_guard()`: out of memory becomes its event."""
        try:
            yield
        except Exception as error:
            if not _is_out_of_memory(error):
                raise
            self.out_of_memory(f"{type(error).__name__}: {error}")

    def refuse(self, sentence: str) -> NoReturn:
        """What no retry mends, such as a wrong parameter."""
        sys.exit(sentence)

    def leave(self) -> NoReturn:
        """After SIGTERM, with a checkpoint saved."""
        sys.exit(143)

    def save_checkpoint(self, data: bytes | Callable[[str], Any]) -> None:
        """`data`: the bytes, or what writes them to the path it is given. The last three files are kept."""
        if not self._speaks:
            return
        path = self.work / f"checkpoint-{time.time_ns()}"
        _write(path, data)
        self._say("checkpoint", path=str(path))
        self._checkpoints.append(path)
        while len(self._checkpoints) > 3:
            self._checkpoints.pop(0).unlink(missing_ok=True)

    def model(self, model: Any, metrics: dict[str, float] | None = None, predict: Any = None) -> None:
        """The finished model, or the best so far: the last one counts.

        `model`: path, bytes or ModelProto. `predict`: what the framework itself says for `sample_rows()`,
        as an array or as a function of rows; Esteira compares the ONNX file with it.
        """
        if not self._speaks:
            return
        words: dict[str, Any] = {"path": str(self.work / "model.onnx"), "metrics": _finite(metrics or {})}
        data = Path(model).read_bytes() if isinstance(model, (str, Path)) else model
        _write(self.work / "model.onnx", data if isinstance(data, bytes) else data.SerializeToString())
        sample = self.sample_rows() if callable(predict) else None
        said = predict(sample) if callable(predict) and sample is not None else predict
        if said is not None and not callable(said):
            _write(self.work / "sample.json", json.dumps([_plain(one) for one in said]).encode())
            words["sample"] = str(self.work / "sample.json")
        self._say("model", **words)

    # Rows.

    def part(self, path: str) -> Rows:
        import numpy as np
        import pyarrow.parquet as parquet

        table = parquet.read_table(path, use_threads=self.threads > 1)
        rows = table.num_rows
        numeric = np.empty((rows, len(self.layout["numeric"])), np.float32)
        categorical = np.empty((rows, len(self.layout["categorical"])), np.int64)
        for matrix, letter in ((numeric, "n"), (categorical, "c")):
            for k in range(matrix.shape[1]):
                matrix[:, k] = table.column(f"{letter}{k}").to_numpy()
        label, weight = (table.column(name).to_numpy().astype(np.float32) for name in ("label", "weight"))
        return Rows(numeric, categorical, label, weight)

    def rows_in(self, path: str) -> int:
        import pyarrow.parquet as parquet

        return parquet.read_metadata(path).num_rows

    def parts(self, paths: list[str]) -> Iterator[Rows]:
        """One part at a time: memory stays bounded by the size of a part."""
        return (self.part(path) for path in paths)

    def load(self, paths: list[str]) -> Rows:
        import numpy as np

        parts = [(part.numeric, part.categorical, part.label, part.weight) for part in self.parts(paths)]
        return Rows(*(np.concatenate(each) for each in zip(*parts)))

    def sample_rows(self) -> Rows | None:
        return self.part(self.validation[0])[:_sample_rows] if self.validation else None


def _write(path: Path, data: bytes | Callable[[str], Any]) -> None:
    """Whole or not at all: a reader never sees half a file."""
    half = path.with_name(f"{path.name}.half")
    if isinstance(data, bytes):
        half.write_bytes(data)
    else:
        data(str(half))
    os.replace(half, path)


def _finite(metrics: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items() if math.isfinite(value)}


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _is_out_of_memory(error: Exception) -> bool:
    named = type(error).__name__ in ("OutOfMemoryError", "ResourceExhaustedError")
    said = str(error).lower()
    return isinstance(error, MemoryError) or named or "out of memory" in said or "bad_alloc" in said


training = Training(sys.argv[-1])
