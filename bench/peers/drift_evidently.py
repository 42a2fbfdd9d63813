"""Evidently's default tests of large columns, by its own functions: reads both files, and prints what they say and cost.

    python3 drift_evidently.py REFERENCE CURRENT
"""

import json
import resource
import sys

import pandas as pd
from evidently.legacy.calculations.stattests import jensenshannon, wasserstein_distance_norm
from evidently.legacy.core import ColumnType

reference, current = (pd.read_parquet(path) for path in sys.argv[1:3])
loaded = resource.getrusage(resource.RUSAGE_SELF)
found = {}
for name in reference.columns:
    r, c = reference[name].dropna(), current[name].dropna()
    if pd.api.types.is_numeric_dtype(r):
        found[name] = wasserstein_distance_norm._wasserstein_distance_norm(r, c, ColumnType.Numerical, 0.1)[0]
    else:
        found[name] = jensenshannon._jensenshannon(r, c, ColumnType.Categorical, 0.1)[0]
ended = resource.getrusage(resource.RUSAGE_SELF)
cpu = ended.ru_utime + ended.ru_stime
print(
    json.dumps(
        {
            "found": {name: float(value) for name, value in found.items()},
            "seconds": cpu,
            "testing": cpu - loaded.ru_utime - loaded.ru_stime,
            "megabytes": ended.ru_maxrss / 1024,
        }
    )
)
