"""Writes test/activities/monitor/quality-reference.json: what scikit-learn, NannyML and Fairlearn say of quality.

    python3 -m venv venv
    venv/bin/pip install "pandas<3" nannyml==0.13.1 fairlearn==0.13.0 statsmodels
    venv/bin/python test/support/reference-quality.py

Tests read the file; they need no Python. Rows are made by whole arithmetic, as in test/activities/monitor/quality.test.ts.
"""

import json
import warnings
from pathlib import Path

import numpy as np
from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference
from nannyml.calibration import IsotonicCalibrator
from nannyml.performance_estimation.confidence_based import metrics as cbpe
from sklearn.isotonic import IsotonicRegression

warnings.filterwarnings("ignore")


def rows(count, seed):
    """score with three digits (so that there are ties), label that follows its square, group"""
    state = seed
    made = []
    for _ in range(count):
        draws = []
        for _ in range(3):
            state = (1664525 * state + 1013904223) % 2**32
            draws.append(state / 2**32)
        score = np.float32(np.floor(draws[0] * 1000) / 1000)
        made.append((float(score), int(draws[1] < float(score) * float(score)), int(draws[2] * 3)))
    return [np.array(column) for column in zip(*made)]


scores, labels, groups = rows(600, 7)
now, _, _ = rows(300, 8)
isotonic = IsotonicRegression(out_of_bounds="clip", increasing=True).fit(scores, labels)
calibrator = IsotonicCalibrator()
calibrator.fit(scores, labels)
chances = calibrator.calibrate(now)
said = (now >= 0.5).astype(int)


def sums():
    positive = chances[said == 1].sum(), (1 - chances[said == 1]).sum()
    negative = chances[said == 0].sum(), (1 - chances[said == 0]).sum()
    return {"tp": positive[0], "fp": positive[1], "fn": negative[0], "tn": negative[1]}


estimates = {
    "roc_auc": cbpe.estimate_roc_auc(chances, now),
    "f1": cbpe.estimate_f1(said, chances),
    "precision": cbpe.estimate_precision(said, chances),
    "recall": cbpe.estimate_recall(said, chances),
    "accuracy": cbpe.estimate_accuracy(said, chances) if hasattr(cbpe, "estimate_accuracy") else None,
    "counts": sums(),
}
predicted = (scores >= 0.5).astype(int)
reference = {
    "isotonic": {"at": isotonic.X_thresholds_.tolist(), "value": isotonic.y_thresholds_.tolist()},
    "estimates": estimates,
    "fairness": {
        "demographicParityDifference": demographic_parity_difference(labels, predicted, sensitive_features=groups),
        "equalizedOddsDifference": equalized_odds_difference(labels, predicted, sensitive_features=groups),
    },
}
path = Path(__file__).parent.parent / "activities/monitor/quality-reference.json"
path.write_text(json.dumps(reference, indent=1) + "\n")
print({k: v for k, v in estimates.items()}, reference["fairness"], len(reference["isotonic"]["at"]))
