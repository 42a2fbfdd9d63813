"""A multilayer perceptron in Keras on TensorFlow, with an embedding for each category, through tf2onnx.

`parameters: { hidden: [64], dropout: 0, epochs: 20, batch_size: 1024, learning_rate: 0.001, patience: 5 }`,
all optional; `patience` counts epochs without a better validation loss, and the best is kept.
"""

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_DETERMINISTIC_OPS", "1")

import keras
import numpy as np
import tensorflow as tf
import tf2onnx
from esteira_onnx import features, refuse_absent_classes, scores, to_contract
from esteira_trainer import Rows, training

own = training.parameters
epochs, patience = int(own.get("epochs", 20)), int(own.get("patience", 5))
batch_size = max(1, int(own.get("batch_size", 1_024) * training.batch_scale))
every = float(own.get("checkpoint_seconds", 30))
numbers = len(training.layout["numeric"])
outputs = len(training.classes) if training.multiclass else 1


def network() -> keras.Model:
    """It takes one matrix, as `features` makes it: numbers, then the indices of categories."""
    matrix = keras.Input((numbers + len(training.layout["categorical"]),))
    columns = [matrix[:, :numbers]] if numbers else []
    for k, one in enumerate(training.layout["categorical"]):
        index = keras.ops.cast(matrix[:, numbers + k], "int32")
        columns.append(keras.layers.Embedding(one["cardinality"], one["dimensions"])(index))
    seen = keras.layers.Concatenate()(columns) if len(columns) > 1 else columns[0]
    for size in own.get("hidden", [64]):
        seen = keras.layers.Dropout(own.get("dropout", 0.0))(
            keras.layers.Dense(size, activation="relu")(seen)
        )
    last = "softmax" if training.multiclass else "sigmoid" if training.binary else None
    answer = keras.layers.Dense(outputs, activation=last)(seen)
    if training.task == "regression":  # values are learned as distances from their mean, in standard deviations
        answer = keras.layers.Rescaling(float(rows.label.std()) or 1.0, float(rows.label.mean()))(answer)
    made = keras.Model(matrix, answer)
    losses = {"binary-classification": "binary_crossentropy", "regression": "mean_squared_error"}
    loss = losses.get(training.task, "sparse_categorical_crossentropy")
    made.compile(keras.optimizers.Adam(float(own.get("learning_rate", 0.001))), loss=loss)
    return made


class Watch(keras.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.best, self.best_epoch, self.weights = float("inf"), -1, None
        self.saved_at = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if training.stopping:
            training.leave()  # the checkpoint is of the last epoch's end
        if training.finishing:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        losses = {"train_loss": logs["loss"]}
        if "val_loss" in logs:
            losses["validation_loss"] = logs["val_loss"]
        training.progress(epoch + 1, epochs, **losses)
        loss = losses.get("validation_loss", losses["train_loss"])
        if loss < self.best:
            self.best, self.best_epoch, self.weights = loss, epoch, self.model.get_weights()
        if training.stopping or time.monotonic() - self.saved_at > every:
            self.save()
        if training.finishing or (patience and epoch - self.best_epoch >= patience):
            self.model.stop_training = True

    def save(self) -> None:
        def write(path: str) -> None:
            self.model.save(f"{path}.keras")
            os.replace(f"{path}.keras", path)

        training.save_checkpoint(write)
        self.saved_at = time.monotonic()


def label_of(rows: Rows) -> np.ndarray:
    return rows.label if training.task == "regression" else rows.label.astype(np.int64)


def predict(rows: Rows) -> np.ndarray:
    said = model(features(rows), training=False).numpy()
    return said if training.multiclass else said[:, 0]


with training.memory_guard():
    keras.utils.set_random_seed(training.seed)
    tf.config.threading.set_intra_op_parallelism_threads(training.threads)
    training.device_is(
        "cuda" if training.device == "cuda" and tf.config.list_physical_devices("GPU") else "cpu"
    )
    rows = training.load(training.train)
    refuse_absent_classes(rows.label)
    validation = training.load(training.validation) if training.validation else None
    model = network()
    done = 0
    if training.checkpoint:
        link = training.work / "resumed.keras"
        link.symlink_to(training.checkpoint)
        model = keras.models.load_model(link)
        done = int(model.optimizer.iterations) // -(-len(rows) // batch_size)
    watch = Watch()
    judged = validation and (features(validation), label_of(validation), validation.weight)
    matrix, weight = features(rows), rows.weight
    sizes = {"batch_size": batch_size, "initial_epoch": done, "epochs": epochs}
    model.fit(
        matrix,
        label_of(rows),
        sample_weight=weight,
        validation_data=judged,
        callbacks=[watch],
        verbose=0,
        **sizes,
    )
    if watch.weights is not None:
        model.set_weights(watch.weights)

signature = [tf.TensorSpec([None, matrix.shape[1]], tf.float32, name="matrix")]
answer = tf.function(lambda matrix: model(matrix, training=False), input_signature=signature)
converted, _ = tf2onnx.convert.from_function(answer, input_signature=signature, opset=17)
metrics = scores(validation, predict(validation)) if validation else {}
training.model(to_contract(converted), metrics, predict)
