"""Any estimator of scikit-learn that skl2onnx converts.

`parameters: { estimator: sklearn.linear_model.LogisticRegression, C: 0.1 }`: all but `estimator` and
`categorical` (index, one-hot or layout; see `features`) are the estimator's own. It fits in one go, so
there is no checkpoint.
"""

import importlib
import inspect
import re
import signal

import numpy as np
import skl2onnx
from sklearn.base import BaseEstimator, is_classifier, is_regressor

from esteira_onnx import features, refuse_absent_classes, scores, to_contract
from esteira_trainer import Rows, training

parameters = training.parameters
name = str(parameters.pop("estimator", ""))
# Trees split an index well; to what multiplies and measures distances, an index says nothing.
trees = name.startswith(("sklearn.ensemble.", "sklearn.tree."))
encode = parameters.pop("categorical", "index" if trees else "one-hot")


def estimator_of() -> BaseEstimator:
    if not re.fullmatch(r"sklearn(\.[a-z]\w*)+\.[A-Z]\w*", name):
        training.refuse(f'`estimator` is "{name}"; name one of scikit-learn, as sklearn.linear_model.Ridge')
    module, _, kind = name.rpartition(".")
    try:
        made = getattr(importlib.import_module(module), kind)
    except (ImportError, AttributeError):
        training.refuse(f"scikit-learn has no {name}")
    if not (inspect.isclass(made) and issubclass(made, BaseEstimator)):
        training.refuse(f"{name} is not an estimator")
    known = made().get_params() if not inspect.isabstract(made) else {}
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        training.refuse(f"{name} has no parameter {unknown[0]}; it has {', '.join(sorted(known))}")
    seeded = {"random_state": training.seed} if "random_state" in known else {}
    return made(**{**seeded, **parameters})


def refuse_unfit(model: BaseEstimator) -> None:
    if training.task == "regression":
        if not is_regressor(model):
            training.refuse(f"the task is regression, and {name} is no regressor")
    elif not is_classifier(model):
        training.refuse(f"the task is {training.task}, and {name} is no classifier")
    elif not hasattr(model, "predict_proba"):
        training.refuse(f"{name} has no predict_proba with these parameters, so it cannot say a probability")


def predict(rows: Rows) -> np.ndarray:
    matrix = features(rows, encode)
    if training.task == "regression":
        return np.asarray(model.predict(matrix)).reshape(-1)
    said = model.predict_proba(matrix)
    return said[:, 1] if training.binary else said


model = estimator_of()
refuse_unfit(model)
# Nothing could be saved halfway, so there is nothing to wait for.
signal.signal(signal.SIGTERM, signal.SIG_DFL)
training.device_is("cpu")
training.progress(0, 1)
with training.memory_guard():
    rows = training.load(training.train)
    refuse_absent_classes(rows.label)
    label = rows.label if training.task == "regression" else rows.label.astype(np.int64)
    weighted = "sample_weight" in inspect.signature(model.fit).parameters
    if not weighted and (rows.weight != 1).any():
        training.refuse(f"{name} takes no weights, and the rows have some")
    model.fit(features(rows, encode), label, **({"sample_weight": rows.weight} if weighted else {}))
    metrics = scores(rows, predict(rows), "train")
    if training.validation:
        validation = training.load(training.validation)
        metrics |= scores(validation, predict(validation))

options = {id(model): {"zipmap": False}} if is_classifier(model) else None
sample = features(rows[:1], encode)
converted = skl2onnx.to_onnx(model, sample, target_opset={"": 17, "ai.onnx.ml": 3}, options=options)
training.progress(1, 1, **metrics)
training.model(to_contract(converted, encode), metrics, predict)
