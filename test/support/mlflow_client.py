"""Asks a server of `sum` as MLflow's own client of a scoring server does: mlflow_client.py <host> <port>."""
import sys

import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

client = ScoringServerClient(sys.argv[1], int(sys.argv[2]))
client.wait_server_ready(timeout=10)
answer = client.invoke(pd.DataFrame({"a": [1.5, 2.0, None], "b": ["x", "y", "x"]}))
predictions = answer.get_predictions()
assert predictions["doubled"].tolist() == [3.0, 4.0, 0.0], predictions
assert predictions["same"].tolist() == ["x", "y", "x"], predictions
try:
    client.invoke(pd.DataFrame({"a": [1.5]}))
except Exception as error:
    assert "row 0 has no" in str(error), error
else:
    raise AssertionError("a table without a column was taken")
print("agreed")
