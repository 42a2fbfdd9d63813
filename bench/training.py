"""One estimator of scikit-learn on prepared rows: its heaviest moment, and its validation log loss.

`training.py <json>`: train and validation (paths), numeric (count), cardinalities, model (logistic, sgd, mlp). One-hot
columns are sparse, which is the fastest and smallest that scikit-learn takes.
"""

import json
import resource
import sys

import numpy as np
import pyarrow.parquet as parquet
from scipy import sparse
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

order = json.loads(sys.argv[1])


def rows_of(paths):
    table = parquet.read_table(paths)
    columns = [np.column_stack([table[f"n{k}"].to_numpy() for k in range(order["numeric"])])]
    for k, width in enumerate(order["cardinalities"]):
        index = table[f"c{k}"].to_numpy()
        ones = (np.ones(len(index), np.float32), (np.arange(len(index)), index))
        columns.append(sparse.csr_matrix(ones, shape=(len(index), width)))
    return sparse.hstack(columns, format="csr", dtype=np.float32), table["label"].to_numpy()


models = {
    "logistic": lambda: LogisticRegression(max_iter=200),
    "sgd": lambda: SGDClassifier(loss="log_loss", random_state=7),
    "mlp": lambda: MLPClassifier(
        (32,), batch_size=1024, learning_rate_init=0.003, max_iter=6, random_state=7
    ),
}
matrix, label = rows_of(order["train"])
model = models[order["model"]]().fit(matrix, label)
held, truth = rows_of(order["validation"])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"megabytes": peak, "loss": log_loss(truth, model.predict_proba(held)[:, 1])}))
