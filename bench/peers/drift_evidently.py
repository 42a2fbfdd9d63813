"""Evidently's tests, by its own functions: reads both files, and prints what they say and cost.

    python3 drift_evidently.py REFERENCE CURRENT default|all

`default` is the one that it takes of a large column; `all` are those whose statistics `esteira drift` gives, too.
"""

import json
import resource
import sys

import pandas as pd
from evidently.legacy.calculations.stattests import chisquare_stattest, hellinger_distance, jensenshannon, kl_div
from evidently.legacy.calculations.stattests import ks_stattest, psi, tvd_stattest, wasserstein_distance_norm
from evidently.legacy.core import ColumnType

reference, current = (pd.read_parquet(path) for path in sys.argv[1:3])
both = [psi._psi, kl_div._kl_div, hellinger_distance._hellinger_distance]
more = {
    ColumnType.Numerical: [*both, jensenshannon._jensenshannon, ks_stattest._ks_stat_test],
    ColumnType.Categorical: [*both, chisquare_stattest._chi_stat_test],
}
found = {}
for name in reference.columns:
    r, c = reference[name].dropna(), current[name].dropna()
    kind = ColumnType.Numerical if pd.api.types.is_numeric_dtype(r) else ColumnType.Categorical
    default = wasserstein_distance_norm._wasserstein_distance_norm if kind == ColumnType.Numerical else jensenshannon._jensenshannon
    found[name] = default(r, c, kind, 0.1)[0]
    if sys.argv[3] == "all":
        for test in more[kind]:
            test(r, c, kind, 0.1)
ended = resource.getrusage(resource.RUSAGE_SELF)
print(
    json.dumps(
        {
            "found": {name: float(value) for name, value in found.items()},
            "seconds": ended.ru_utime + ended.ru_stime,
            "megabytes": ended.ru_maxrss / 1024,
        }
    )
)
