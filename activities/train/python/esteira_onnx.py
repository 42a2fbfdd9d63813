"""For frameworks that are converted to ONNX: one matrix of features, the same one in the graph, and scores.

A converter writes a graph with one input FLOAT[n, W] and outputs of its own names and shapes; `to_contract`
gives it the inputs and the output that Esteira asks for (contracts/trainer.ts).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from esteira_trainer import Rows, training

_encodings = ("index", "one-hot", "layout")


def features(rows: Rows, encode: str = "index") -> np.ndarray:
    """One matrix float32 [n, W]: the numeric columns, then each category as `encode` has it.

    `index`: the number itself. `one-hot`: a column a category. `layout`: one-hot where the project says so.
    """
    columns = [rows.numeric]
    for k, width in enumerate(widths(encode)):
        index = rows.categorical[:, k : k + 1]
        columns.append((index == np.arange(width) if width else index).astype(np.float32))
    return np.concatenate(columns, axis=1)


def widths(encode: str) -> list[int]:
    """Columns that each category becomes; 0 stands for its index as it is."""
    if encode not in _encodings:
        training.refuse(f'categorical is "{encode}"; it may be {", ".join(_encodings)}')
    layout = training.layout["categorical"]
    hot = [encode == "one-hot" or (encode == "layout" and one["encode"] == "one-hot") for one in layout]
    return [one["cardinality"] if on else 0 for one, on in zip(layout, hot)]


def refuse_absent_classes(label: np.ndarray) -> None:
    """A framework leaves out the column of a class it never saw, and every later one is then another
    class's."""
    for index, name in enumerate(training.classes or ["0", "1"]):
        if training.task != "regression" and not (label == index).any():
            training.refuse(f"no training row is of the class {name}")


def scores(rows: Rows, said: np.ndarray, prefix: str = "validation") -> dict[str, float]:
    """Weighted mean loss (log loss, or squared error) and a familiar metric, named as by the embedded
    trainer."""
    label, weight = rows.label, rows.weight
    if training.task == "regression":
        square = (np.asarray(said, np.float64) - label) ** 2
        loss, rmse = np.average(square, weights=weight), np.sqrt(square.mean())
        return {f"{prefix}_loss": loss, f"{prefix}_rmse": rmse}
    of_label = (
        np.where(label == 1, said, 1 - said)
        if training.binary
        else said[range(len(label)), label.astype(int)]
    )
    loss = -np.average(np.log(np.clip(of_label.astype(np.float64), 1e-7, 1)), weights=weight)
    if training.multiclass:
        return {f"{prefix}_loss": loss, f"{prefix}_accuracy": np.mean(said.argmax(axis=1) == label)}
    return {f"{prefix}_loss": loss, f"{prefix}_roc_auc": _roc_auc(label, said)}


def _roc_auc(label: np.ndarray, said: np.ndarray) -> float:
    """By mean ranks, so that ties count half. NaN when there is one class only."""
    _, place, counts = np.unique(said, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    positive = label == 1
    hits, misses = int(positive.sum()), int((~positive).sum())
    above = ranks[positive].sum() - hits * (hits + 1) / 2
    return float(above / (hits * misses)) if hits and misses else math.nan


def to_contract(model: Any, encode: str = "index") -> Any:
    """@param model a ModelProto whose one input FLOAT[n, W] is what `features(rows, encode)` gives."""
    from onnx import TensorProto, compose, helper, inliner, numpy_helper

    if model.functions:
        model = inliner.inline_local_functions(model)
    # Classifiers often end in a ZipMap, which makes a list of dictionaries of the probabilities.
    zipped = [node.input[0] for node in model.graph.node if node.op_type == "ZipMap"]
    model = compose.add_prefix(model, "model/")
    graph = model.graph
    tensors = list(graph.initializer)
    (source,) = {value.name for value in graph.input} - {tensor.name for tensor in tensors}
    # Labels come before probabilities.
    result = f"model/{zipped[0]}" if zipped else graph.output[-1].name
    shapes = {value.name: value.type.tensor_type.shape.dim for value in (*graph.value_info, *graph.output)}

    def constant(name: str, value: Any) -> str:
        tensors.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    before, columns, inputs = [], [], []
    for name, kind in (("numeric", TensorProto.FLOAT), ("categorical", TensorProto.INT64)):
        if training.layout[name]:
            inputs.append(helper.make_tensor_value_info(name, kind, ["n", len(training.layout[name])]))
    if training.layout["numeric"]:
        columns.append("numeric")
    for k, width in enumerate(widths(encode)):
        at = constant(f"at_{k}", np.int64(k) if width else np.array([k], np.int64))
        before.append(helper.make_node("Gather", ["categorical", at], [f"index_{k}"], axis=1))
        if width:
            size = constant(f"width_{k}", np.int64(width))
            values = constant(f"off_on_{k}", np.array([0, 1], np.float32))
            before.append(helper.make_node("OneHot", [f"index_{k}", size, values], [f"column_{k}"], axis=-1))
        else:
            before.append(helper.make_node("Cast", [f"index_{k}"], [f"column_{k}"], to=TensorProto.FLOAT))
        columns.append(f"column_{k}")
    before.append(helper.make_node("Concat", columns, [source], axis=1))

    classes = [len(training.classes)] if training.multiclass else []
    if training.binary and not _one_column(shapes.get(result, ())):
        answer = helper.make_node("Gather", [result, constant("positive", np.int64(1))], ["answer"], axis=1)
    else:
        flat = constant("flat", np.array([-1, *classes], np.int64))
        answer = helper.make_node("Reshape", [result, flat], ["answer"])
    last = helper.make_node("Cast", ["answer"], ["output"], to=TensorProto.FLOAT)
    nodes = [*before, *(node for node in graph.node if node.op_type != "ZipMap"), answer, last]
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", *classes])
    made = helper.make_graph(nodes, "trained", inputs, [output], tensors)
    domains = {node.domain for node in nodes}
    opsets = [one for one in model.opset_import if one.domain in domains]
    return helper.make_model(made, opset_imports=opsets, ir_version=min(model.ir_version, 10))


def _one_column(shape: Any) -> bool:
    return len(shape) == 1 or (len(shape) == 2 and shape[1].dim_value == 1)
