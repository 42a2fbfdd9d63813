"""Writes breast-cancer.csv: the Wisconsin diagnostic data that scikit-learn brings along (569 samples, 30 measures).

    python3 -m venv .venv && .venv/bin/pip install scikit-learn
    .venv/bin/python examples/breast-cancer/make-data.py

The data has no dates. Esteira wants to know when a row was known, so each sample gets an hour of its own.
"""

import csv
from datetime import datetime, timedelta
from pathlib import Path

from sklearn.datasets import load_breast_cancer

data = load_breast_cancer()
names = [name.replace(" ", "_") for name in data.feature_names]
path = Path(__file__).with_name("breast-cancer.csv")
with path.open("w", newline="", encoding="utf-8") as file:
    rows = csv.writer(file)
    rows.writerow(["sample", "examined_at", *names, "malignant"])
    for at, (values, target) in enumerate(zip(data.data, data.target)):
        examined = datetime(2024, 1, 1) + timedelta(hours=at)
        # In the data, 0 is malignant.
        rows.writerow([at, examined.isoformat(sep=" "), *values.tolist(), int(target == 0)])
print(f"{len(data.target)} samples in {path}")
