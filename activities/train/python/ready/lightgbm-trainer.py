"""LightGBM. All parameters but `categorical` (native, index, one-hot or layout) are its own, by its own
names.

`early_stopping_round` counts iterations without a better validation loss; the model then ends at the best
one. A resumed training goes on from the saved trees; bagging draws anew, so it is as good as an unbroken
one, and not equal.
"""

import json
import time
from pathlib import Path

import lightgbm as lgb
import numpy as np
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

from esteira_onnx import features, refuse_absent_classes, scores, to_contract
from esteira_trainer import Rows, training

objectives = {
    "binary-classification": {"objective": "binary", "metric": ["binary_logloss", "auc"]},
    "multiclass-classification": {"objective": "multiclass", "metric": ["multi_logloss", "multi_error"]},
    "regression": {"objective": "regression", "metric": ["l2", "l1"]},
}
own = training.parameters
categorical = own.pop("categorical", "native")
encode = "index" if categorical == "native" else categorical
every = own.pop("checkpoint_seconds", 30)


def taken(names: tuple[str, ...], otherwise: int) -> int:
    """LightGBM has several names for one thing."""
    found = [own.pop(name) for name in names if name in own]
    return int(found[0]) if found else otherwise


steps = taken(("n_estimators", "num_iterations", "num_boost_round", "num_trees", "n_iter"), 100)
patience = taken(("early_stopping_round", "early_stopping_rounds", "n_iter_no_change"), 0)
parameters = {
    **objectives[training.task],
    **({"num_class": len(training.classes)} if training.multiclass else {}),
    "seed": training.seed,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": training.threads,
    "verbosity": -1,
    **own,
}


class Watch:
    """Called after each iteration: says how it goes, keeps the best, saves, and stops when told to."""

    def __init__(self, saved: dict) -> None:
        self.best: list[float] = saved.get("best", [0, float("inf")])  # iterations, loss
        self.saved_at = time.monotonic()

    def __call__(self, env: lgb.callback.CallbackEnv) -> None:
        done = env.iteration + 1
        values = {f"{side}_{name}": value for side, name, value, *_ in env.evaluation_result_list}
        first = parameters["metric"] if isinstance(parameters["metric"], str) else parameters["metric"][0]
        losses = {f"{side}_loss": values[f"{side}_{first}"] for side in sides}
        training.progress(done, steps, **losses, **values)
        if losses.get("validation_loss", float("inf")) < self.best[1]:
            self.best = [done, losses["validation_loss"]]
        if training.stopping or time.monotonic() - self.saved_at > every:
            self.save(env.model)
        if training.stopping:
            training.leave()
        if training.finishing or (patience and done - self.best[0] >= patience):
            raise lgb.callback.EarlyStopException(env.iteration, env.evaluation_result_list)

    def save(self, booster: lgb.Booster) -> None:
        words = {"model": booster.model_to_string(num_iteration=-1), "best": self.best}
        training.save_checkpoint(json.dumps(words).encode())
        self.saved_at = time.monotonic()


def dataset(rows: Rows, reference: lgb.Dataset | None = None) -> lgb.Dataset:
    first = len(training.layout["numeric"])
    native = (
        list(range(first, first + len(training.layout["categorical"]))) if categorical == "native" else []
    )
    matrix = features(rows, encode)
    return lgb.Dataset(
        matrix, rows.label, weight=rows.weight, reference=reference, categorical_feature=native
    )


def predict(rows: Rows) -> np.ndarray:
    return booster.predict(features(rows, encode), num_threads=training.threads)


training.device_is("cpu")
with training.memory_guard():
    rows = training.load(training.train)
    refuse_absent_classes(rows.label)
    saved = json.loads(Path(training.checkpoint).read_bytes()) if training.checkpoint else {}
    before = lgb.Booster(model_str=saved["model"]) if saved else None
    train = dataset(rows)
    validation = training.load(training.validation) if training.validation else None
    sides = ["train", "validation"] if validation else ["train"]
    watch = Watch(saved)
    booster = before
    if before is None or before.current_iteration() < steps:
        booster = lgb.train(
            parameters,
            train,
            num_boost_round=steps - (before.current_iteration() if before else 0),
            valid_sets=[train, *([dataset(validation, train)] if validation else [])],
            valid_names=sides,
            init_model=before,
            callbacks=[watch],
        )

kept = watch.best[0] if patience and validation else -1
booster = lgb.Booster(model_str=booster.model_to_string(num_iteration=kept))
matrix_type = FloatTensorType([None, features(rows[:1], encode).shape[1]])
converted = convert_lightgbm(booster, initial_types=[("X", matrix_type)], target_opset=15, zipmap=False)
metrics = scores(rows, predict(rows), "train") | (
    scores(validation, predict(validation)) if validation else {}
)
training.model(to_contract(converted, encode), metrics, predict)
