"""Writes test/activities/monitor/statistics/reference.json: what SciPy, Evidently, NannyML and River say.

    python3 -m venv venv
    venv/bin/pip install scipy==1.17.1 "pandas<3" evidently==0.7.23 nannyml==0.13.1 river==0.26.1
    venv/bin/python test/support/reference-statistics.py

Tests read the file; they need no Python. Columns are told by how they are made (see test/support/made-column.ts, which makes
the same numbers: only whole arithmetic, + - * / and floor), so that the file stays small.
"""

import json
import math
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from evidently.legacy.calculations.stattests import chisquare_stattest, hellinger_distance
from evidently.legacy.calculations.stattests import jensenshannon, kl_div, psi, wasserstein_distance_norm, z_stattest
from evidently.legacy.core import ColumnType
from nannyml.drift.univariate.methods import LInfinityDistance
from nannyml.thresholds import ConstantThreshold
from river import drift
from scipy import stats

warnings.filterwarnings("ignore")


def made(shape, rows, seed, shift=0, scale=1, kinds=10, nulls=0, infinite=0):
    state = seed
    values = []
    for _ in range(rows):
        draws = []
        for _ in range(5):
            state = (1664525 * state + 1013904223) % 2**32
            draws.append(state / 2**32)
        a, b, c, d, e = draws
        if e < nulls:
            values.append(None)
            continue
        if e < nulls + infinite:
            values.append(math.inf if a < 0.5 else -math.inf)
            continue
        bell = a + b + c + d - 2
        value = {
            "bell": bell,
            "skewed": 1 / (a + 0.01),
            "whole": math.floor(a * kinds),
            "spiked": 0 if a < 0.3 else bell,
            "rounded": math.floor(bell * 100) / 100,
            "constant": 1,
        }[shape]
        values.append(value * scale + shift)
    return values


def named(values):
    return [None if value is None else f"v{value}" for value in values]


def spec(shape, rows, seed, **more):
    return {"shape": shape, "rows": rows, "seed": seed, **more}


NUMBERS = {
    "bell": (spec("bell", 3000, 1), spec("bell", 2500, 2, shift=0.25)),
    "bell-many": (spec("bell", 30000, 3), spec("bell", 20000, 4, shift=0.01)),
    "bell-far-from-zero": (spec("bell", 12000, 5, shift=1048576), spec("bell", 30000, 6, shift=1048576.5, scale=1.25)),
    "skewed": (spec("skewed", 20000, 7), spec("skewed", 30000, 8, scale=1.0625)),
    "whole-many": (spec("whole", 12000, 9, kinds=1000), spec("whole", 9000, 10, kinds=1010)),
    "whole-narrow": (spec("whole", 3000, 11, kinds=25), spec("whole", 3000, 12, kinds=24)),
    "whole-few": (spec("whole", 400, 13, kinds=8), spec("whole", 300, 14, kinds=9)),
    "two-values": (spec("whole", 400, 13, kinds=2), spec("whole", 300, 14, kinds=2)),
    "spiked": (spec("spiked", 20000, 15), spec("spiked", 20000, 16, scale=1.125)),
    "rounded": (spec("rounded", 20000, 17), spec("rounded", 20000, 18, shift=0.125)),
    "missing": (spec("bell", 15000, 19, nulls=0.1), spec("bell", 15000, 20, nulls=0.3, infinite=0.1)),
    "constant": (spec("constant", 50, 21), spec("constant", 60, 22)),
    "constant-moved": (spec("constant", 50, 23), spec("constant", 60, 24, shift=2)),
    "one-row-each": (spec("bell", 1, 25), spec("bell", 1, 26)),
    "one-row": (spec("bell", 5000, 27), spec("bell", 1, 28)),
    "same": (spec("bell", 20000, 29), spec("bell", 20000, 29)),
    "few-then-many": (spec("whole", 15000, 30, kinds=5), spec("bell", 15000, 31)),
    "apart": (spec("bell", 12000, 32), spec("bell", 12000, 33, shift=100)),
}

CATEGORIES = {
    "five": (spec("whole", 500, 41, kinds=5), spec("whole", 400, 42, kinds=5)),
    "two": (spec("whole", 500, 43, kinds=2), spec("whole", 400, 44, kinds=2)),
    "one": (spec("constant", 500, 45), spec("constant", 400, 46)),
    "unseen": (spec("whole", 500, 47, kinds=5), spec("whole", 400, 48, kinds=7)),
    "gone": (spec("whole", 500, 49, kinds=7), spec("whole", 400, 50, kinds=5)),
    "many": (spec("whole", 20000, 51, kinds=5000), spec("whole", 20000, 52, kinds=5000)),
    "missing": (spec("whole", 500, 53, kinds=5, nulls=0.2), spec("whole", 400, 54, kinds=5, nulls=0.4)),
}


def usable(values):
    return pd.Series(values).replace([np.inf, -np.inf], np.nan).dropna()


def side(values, whole):
    series = usable(values)
    return series.astype("int64") if whole else series


def number(first, second):
    whole = first["shape"] == second["shape"] == "whole"
    r, c = (side(made(**one), whole) for one in (first, second))
    kind = ColumnType.Numerical
    ks = stats.ks_2samp(r, c)
    return {
        "psi": psi._psi(r, c, kind, 0.1)[0],
        "klDivergence": kl_div._kl_div(r, c, kind, 0.1)[0],
        "jensenShannon": jensenshannon._jensenshannon(r, c, kind, 0.1)[0],
        "hellinger": hellinger_distance._hellinger_distance(r.copy(), c.copy(), kind, 0.1)[0],
        "wasserstein": stats.wasserstein_distance(r, c),
        "wassersteinNormed": wasserstein_distance_norm._wasserstein_distance_norm(r, c, kind, 0.1)[0],
        "ks": {"statistic": ks.statistic, "pValue": ks.pvalue},
    }


def category(first, second):
    r, c = (pd.Series(named(made(**one))).dropna() for one in (first, second))
    kind = ColumnType.Categorical
    table = pd.concat([r.value_counts(), c.value_counts()], axis=1).fillna(0)
    chi2 = stats.chi2_contingency(table)
    linf = LInfinityDistance(chunker=None, threshold=ConstantThreshold(upper=0.1), computation_params={})
    linf._fit(r)
    found = {
        "psi": psi._psi(r, c, kind, 0.1)[0],
        "klDivergence": kl_div._kl_div(r, c, kind, 0.1)[0],
        "jensenShannon": jensenshannon._jensenshannon(r, c, kind, 0.1)[0],
        "hellinger": hellinger_distance._hellinger_distance(r.copy(), c.copy(), kind, 0.1)[0],
        "tvd": 0.5 * np.abs(table.iloc[:, 0] / len(r) - table.iloc[:, 1] / len(c)).sum(),
        "lInfinity": float(linf._calculate(c)),
        "chi2": {"statistic": chi2.statistic, "pValue": chi2.pvalue},
    }
    if len(table) > 1:  # of one category it is NaN
        found["chi2Fit"] = {"pValue": chisquare_stattest._chi_stat_test(r, c, kind, 0.05)[0]}
    if len(table) <= 2:
        found["z"] = {"pValue": z_stattest._z_stat_test(r, c, kind, 0.05)[0]}
    return found


STREAMS = {
    "still": [spec("bell", 3000, 61)],
    "step": [spec("bell", 1500, 62), spec("bell", 1500, 63, shift=0.5)],
    "down-and-up": [spec("bell", 700, 64), spec("bell", 900, 65, shift=-1), spec("bell", 1100, 66, shift=2)],
    "errors": [spec("whole", 1500, 67, kinds=2), spec("constant", 200, 68)],
    "rare-errors": [spec("constant", 400, 69, shift=-1), spec("whole", 600, 70, kinds=2), spec("constant", 300, 69, shift=-1), spec("whole", 300, 71, kinds=2)],
    "wide": [spec("whole", 4000, 72, kinds=100), spec("whole", 2000, 73, kinds=160)],
}


def detections(pieces):
    values = [value for piece in pieces for value in made(**piece)]
    found = {}
    makers = {"adwin": drift.ADWIN, "page-hinkley": drift.PageHinkley, "ddm": drift.binary.DDM}
    for name, maker in makers.items():
        if name == "ddm" and any(value not in (0, 1) for value in values):
            continue
        detector, drifts, warned = maker(), [], []
        for i, value in enumerate(values):
            detector.update(value)
            if detector.drift_detected:
                drifts.append(i)
            if getattr(detector, "warning_detected", False):
                warned.append(i)
        found[name] = {"drifts": drifts, "warned": len(warned)}
    return found


def kolmogorov():
    sizes = [1, 2, 5, 10, 37, 100, 140, 141, 500, 5000, 99999, 100001, 500000, 5000000]
    scaled = [0.3, 0.5, 0.7, 0.86, 0.95, 1.1, 1.3, 1.48, 1.6, 2, 2.5, 4, 8]
    found = []
    for n in sizes:
        for d in [s / math.sqrt(n) for s in scaled] + [0.3 / n, 0.7 / n, 1 / n]:
            if d < 1:
                found.append([n, d, float(stats.kstwo.sf(d, n))])
    return found


def two_samples():
    found = []
    for n, m in [(1, 1), (5, 5), (20, 30), (100, 100), (100, 99), (1000, 1), (3000, 2000), (10000, 10000), (10001, 500), (12000, 9)]:
        lcm = n * m // math.gcd(n, m)
        for share in [0, 0.02, 0.1, 0.3, 0.7, 1]:
            d = round(share * lcm) / lcm
            if (n == m or max(n, m) > 10000 or n * m <= 10000) or share <= 0.1:
                success = max(n, m) <= 10000
                p = math.nan
                if success:
                    success, _, p = stats._stats_py._attempt_exact_2kssamp(n, m, math.gcd(n, m), d, "two-sided")
                if not success:
                    en = n * m / (n + m)
                    p = float(np.clip(stats.kstwo.sf(d, np.round(en)), 0, 1))
                found.append([n, m, d, float(p)])
    return found


def chi_squared():
    points = [(x, k) for k in (1, 2, 3, 10, 99, 4999, 1000000) for x in (0, 0.5 * k, 0.9 * k, k, 1.05 * k, 1.5 * k, 4 * k + 20)]
    return [[x, k, float(stats.chi2.sf(x, k))] for x, k in points]


def clean(value):
    if isinstance(value, dict):
        return {name: clean(one) for name, one in value.items()}
    return float(value) if isinstance(value, (np.floating, np.integer)) else value


reference = {
    "numbers": {name: {"columns": pair, **clean(number(*pair))} for name, pair in NUMBERS.items()},
    "categories": {name: {"columns": pair, **clean(category(*pair))} for name, pair in CATEGORIES.items()},
    "streams": {name: {"pieces": pieces, **detections(pieces)} for name, pieces in STREAMS.items()},
    "kolmogorovSurvival": kolmogorov(),
    "kolmogorovSmirnov": two_samples(),
    "chiSquaredSurvival": chi_squared(),
}
path = Path(__file__).parent.parent / "activities/monitor/statistics/reference.json"
path.write_text(json.dumps(reference, allow_nan=False) + "\n")
print(path, path.stat().st_size, "bytes")
