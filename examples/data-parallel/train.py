"""Data-parallel training on CPU: several processes, each with its share of every batch, and one sum of gradients.

It uses nothing of Esteira: it reads the request, and prints JSON lines. Every process holds the same weights and
takes the same step, as PyTorch's DistributedDataParallel does; what they exchange is a row of shared memory each.
The model is a logistic regression, so that the parallel part is what there is to see. Needs numpy, pyarrow, onnx.
"""

import json
import multiprocessing as mp
import os
import signal
import sys

import numpy as np

STOP, FINISH = 1, 2  # what the leader tells the others


def say(event, **words):
    print(json.dumps({"event": event, **words}), flush=True)


def share_of(request, rank, world):
    """Every world-th row of all parts: whatever the number of processes, a batch has the same rows."""
    import pyarrow.parquet as pq

    names = [f"n{k}" for k in range(len(request["layout"]["numeric"]))]
    table = pq.read_table(request["train"], columns=[*names, "label", "weight"])
    columns = [table.column(name).to_numpy()[rank::world] for name in [*names, "label", "weight"]]
    ones = np.ones_like(columns[0])
    return np.column_stack([*columns[:-2], ones]), columns[-2], columns[-1]


def train(rank, world, request, sums, flag, barrier):
    """The leader is rank 0; all others are silent, and end when it does."""
    if rank > 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it came to the whole group; the leader decides
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    own = request["parameters"]
    matrix, label, weight = share_of(request, rank, world)
    size = matrix.shape[1]
    shared = np.frombuffer(sums, np.float64).reshape(world, size + 3)
    state = {"weights": np.zeros(size), "mean": np.zeros(size), "square": np.zeros(size), "step": 0}
    if "checkpoint" in request:
        with np.load(request["checkpoint"]) as saved:
            state = {name: saved[name] for name in saved.files}
    batch = max(1, own.get("batch_size", 1024) // world)
    batches = -(-(request["rows"]["train"] // world) // batch)
    epochs, told = own.get("epochs", 10), 0
    for epoch in range(int(state["step"]) // batches, epochs):
        loss = total = 0.0
        for at in range(batches):
            rows = slice(at * batch, (at + 1) * batch)
            said = 1 / (1 + np.exp(-matrix[rows] @ state["weights"]))
            error = (said - label[rows]) * weight[rows]
            right = np.where(label[rows] == 1, said, 1 - said)
            losses = -np.log(np.clip(right, 1e-7, 1)) * weight[rows]
            # A signal may come between two reads of the flag: only what the leader read counts, for all.
            told = flag.value if rank == 0 else 0
            shared[rank] = [*(matrix[rows].T @ error), losses.sum(), weight[rows].sum(), told]
            barrier.wait()  # all have written
            together = shared.sum(axis=0)
            told = int(together[-1])
            barrier.wait()  # all have read
            step(state, together[:size] / together[-2], own.get("learning_rate", 0.05))
            loss, total = loss + together[-3], total + together[-2]
            if told:
                break
        if rank == 0:
            say(
                "progress",
                step=int(state["step"]),
                steps=epochs * batches,
                metrics={"train_loss": loss / total},
            )
            save(request, state)
        if told:
            break
    if rank == 0 and told == STOP:
        os._exit(143)
    return state["weights"]


def step(state, gradient, rate):
    """Adam (Kingma and Ba 2015)."""
    state["step"] = state["step"] + 1
    state["mean"] = 0.9 * state["mean"] + 0.1 * gradient
    state["square"] = 0.999 * state["square"] + 0.001 * gradient**2
    mean, square = (state[k] / (1 - b ** state["step"]) for k, b in (("mean", 0.9), ("square", 0.999)))
    state["weights"] = state["weights"] - rate * mean / (np.sqrt(square) + 1e-8)


def save(request, state):
    path = os.path.join(request["work"], f"checkpoint-{state['step']}.npz")
    with open(f"{path}.half", "wb") as file:
        np.savez(file, **state)
    os.replace(f"{path}.half", path)
    say("checkpoint", path=path)


def export(request, weights):
    from onnx import TensorProto, helper, numpy_helper, save_model

    column, bias = weights[:-1, None].astype(np.float32), weights[-1:].astype(np.float32)
    tensors = {"column": column, "bias": bias, "flat": np.array([-1], np.int64)}
    nodes = [
        helper.make_node("Gemm", ["numeric", "column", "bias"], ["score"]),
        helper.make_node("Sigmoid", ["score"], ["probability"]),
        helper.make_node("Reshape", ["probability", "flat"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "logistic",
        [helper.make_tensor_value_info("numeric", TensorProto.FLOAT, ["n", len(column)])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    path = os.path.join(request["work"], "model.onnx")
    save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    say("model", path=path)


if __name__ == "__main__":
    with open(sys.argv[-1], encoding="utf-8") as file:
        request = json.load(file)
    if request["task"] != "binary-classification" or request["layout"]["categorical"]:
        sys.exit("this example learns yes or no from numbers; the project has another task, or categories")
    world = request["parameters"].get("processes", 2)
    context = mp.get_context("spawn")
    sums = context.RawArray("d", world * (len(request["layout"]["numeric"]) + 4))
    flag, barrier = context.RawValue("i", 0), context.Barrier(world)
    signal.signal(signal.SIGTERM, lambda *_: setattr(flag, "value", STOP))
    signal.signal(signal.SIGUSR1, lambda *_: setattr(flag, "value", FINISH))
    rest = (world, request, sums, flag, barrier)
    others = [context.Process(target=train, args=(rank, *rest), daemon=True) for rank in range(1, world)]
    for other in others:
        other.start()
    weights = train(0, *rest)
    for other in others:
        other.join()
    export(request, weights)
