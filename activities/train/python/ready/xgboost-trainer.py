"""XGBoost. All parameters but `categorical` (index, one-hot or layout) are its own, by its own names.

`early_stopping_rounds` counts rounds without a better validation loss; the model then ends at the best one.
A resumed training goes on from the saved trees. The lock has the small build without CUDA; with the package
`xgboost` in `requirements` instead, trees grow on the GPU of a GPU worker.
"""

import time
from pathlib import Path

import numpy as np
import xgboost as xgb
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType

from esteira_onnx import features, refuse_absent_classes, scores, to_contract
from esteira_trainer import Rows, training

objectives = {
    "binary-classification": {"objective": "binary:logistic", "eval_metric": ["auc", "logloss"]},
    "multiclass-classification": {"objective": "multi:softprob", "eval_metric": ["merror", "mlogloss"]},
    "regression": {"objective": "reg:squarederror", "eval_metric": ["mae", "rmse"]},
}
own = training.parameters
encode = own.pop("categorical", "index")
every = own.pop("checkpoint_seconds", 30)
steps = int(own.pop("n_estimators", own.pop("num_boost_round", 100)))
patience = int(own.pop("early_stopping_rounds", 0))
device = training.device if xgb.build_info()["USE_CUDA"] else "cpu"
parameters = {
    **objectives[training.task],
    **({"num_class": len(training.classes)} if training.multiclass else {}),
    "seed": training.seed,
    "nthread": training.threads,
    "device": device,
    **own,
}


class Watch(xgb.callback.TrainingCallback):
    """Called after each round: says how it goes, keeps the best, saves, and stops when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.saved_at = time.monotonic()

    def after_iteration(self, model: xgb.Booster, epoch: int, evals_log: dict) -> bool:
        done = model.num_boosted_rounds()
        values = {f"{side}_{name}": float(log[name][-1]) for side, log in evals_log.items() for name in log}
        # The last metric is what it minimizes, as XGBoost itself has it for early stopping.
        losses = {f"{side}_loss": float(list(log.values())[-1][-1]) for side, log in evals_log.items()}
        training.progress(done, steps, **losses, **values)
        loss = losses.get("validation_loss", np.inf)
        if loss < float(model.attr("best_loss") or np.inf):
            model.set_attr(best_loss=repr(loss), best_rounds=str(done))
        if training.stopping or time.monotonic() - self.saved_at > every:
            training.save_checkpoint(bytes(model.save_raw("ubj")))
            self.saved_at = time.monotonic()
        if training.stopping:
            training.leave()
        return training.finishing or bool(patience and done - int(model.attr("best_rounds") or 0) >= patience)


def matrix(rows: Rows) -> xgb.DMatrix:
    return xgb.DMatrix(features(rows, encode), rows.label, weight=rows.weight, nthread=training.threads)


def predict(rows: Rows) -> np.ndarray:
    return booster.predict(matrix(rows))


training.device_is(device)
with training.memory_guard():
    rows = training.load(training.train)
    refuse_absent_classes(rows.label)
    validation = training.load(training.validation) if training.validation else None
    train = matrix(rows)
    before = None
    if training.checkpoint:
        before = xgb.Booster(model_file=bytearray(Path(training.checkpoint).read_bytes()))
    done = before.num_boosted_rounds() if before else 0
    booster = before
    if done < steps:
        booster = xgb.train(
            parameters,
            train,
            num_boost_round=steps - done,
            evals=[(train, "train"), *([(matrix(validation), "validation")] if validation else [])],
            xgb_model=before,
            callbacks=[Watch()],
            verbose_eval=False,
        )

if patience and booster.attr("best_rounds"):
    booster = booster[: int(booster.attr("best_rounds"))]
matrix_type = FloatTensorType([None, train.num_col()])
converted = convert_xgboost(booster, initial_types=[("X", matrix_type)], target_opset=15)
metrics = scores(rows, predict(rows), "train") | (
    scores(validation, predict(validation)) if validation else {}
)
training.model(to_contract(converted, encode), metrics, predict)
