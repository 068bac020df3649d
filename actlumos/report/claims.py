"""The paper's qualitative claims, each judged by a run's results.

A claim about accuracy *holds* when every one of its comparisons is better by more than the test
set's size allows (95 %), *does not hold* when one is worse by that much, is *within noise* when
the clips are too few, and *not run* when an arm is missing. One run covers one seed, and no
correction is made for the number of claims: a single p value near .05 is weak evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import pandas as pd

from actlumos.arms import describe
from actlumos.evaluation.stats import (
    Difference,
    mcnemar,
    paired_difference,
    unpaired_difference,
    wilson,
)
from actlumos.report.paper import TABLES, reported
from actlumos.report.results import Results, correct, entry

HOLDS, FAILS, NOISE, NOT_RUN = "holds", "does not hold", "within noise", "not run"
VERDICTS = {"better": HOLDS, "worse": FAILS, "within noise": NOISE}
HALF = (0.45, 0.55)  # a student/teacher cost ratio in this range counts as "half"


@dataclass(frozen=True)
class Claim:
    """`text` is the claim; `source` is where it is made; `pairs` are (better, worse) arms.

    `instead` replaces `pairs` where none of those were run.
    """

    text: str
    source: str
    pairs: tuple[tuple[str, str], ...]
    instead: tuple[tuple[str, str], ...] = ()


CLAIMS = (
    Claim("DFF beats either stream alone", "abstract", (("dff", "dark"), ("dff", "retinex"))),
    Claim("DFF beats static fusion", "abstract",
          (("dff", "fusion-mean"), ("dff", "fusion-concat"))),
    Claim("SupCon helps the teacher", "abstract", (("teacher", "dff"),)),
    Claim("distillation helps the student", "abstract", (("kd", "dark"),)),
    Claim("SSL before KD beats KD only", "SSL-source chart", (("ssl-kd", "kd"),)),
    Claim("in-domain SSL beats cross-domain SSL", "SSL-source chart", (("ssl-a-kd", "ssl-b-kd"),)),
    Claim("SSL on both pools is best", "SSL-source chart",
          (("ssl-kd", "ssl-a-kd"), ("ssl-kd", "ssl-b-kd"))),
    Claim("two-view SSL beats spatial-only and temporal-only", "abstract",
          (("ssl-kd", "ssl-spatial-kd"), ("ssl-kd", "ssl-temporal-kd")),
          instead=(("ssl", "ssl-spatial"), ("ssl", "ssl-temporal"))),
)
COST_CLAIM = "the student costs half the teacher"

OFFICIAL_TESTS: dict[str, dict[int, int | None]] = {
    "arid-v1.0": {1: 823, 2: 859, 3: 852},
    "arid-v1.5": {0: 2011, 1: None},
    "dark48": {1: 1763, 2: 1763, 3: 1763},
}
"""Clips in the official test list of each split; None: the list was not found in public."""


def compare(results: Results, better: str, worse: str) -> Difference | None:
    """Difference in Top-1 of two arms, or None where one was not run.

    Raises:
        ValueError: the two arms were tested on different clips.
    """
    first, second = entry(results, better), entry(results, worse)
    if first is None or second is None:
        return None
    right, other = correct(first), correct(second)
    if right is None or other is None:
        return unpaired_difference(first["top1"], tuple(first["interval"]),
                                   second["top1"], tuple(second["interval"]))
    if list(first["per_clip"]["labels"]) != list(second["per_clip"]["labels"]):
        raise ValueError(f"arms {better!r} and {worse!r} were tested on different clips: "
                         "evaluate both on the same split")
    return paired_difference(right, other)


def _overall(verdicts: list[str]) -> str:
    """One verdict for several comparisons: any failure fails, then any gap, then all must hold."""
    for verdict in (FAILS, NOT_RUN, NOISE):
        if verdict in verdicts:
            return verdict
    return HOLDS


def _row(text: str, source: str, pair: tuple[str, str], found: Difference | None) -> dict:
    row = {"claim": text, "source": source,
           "comparison": f"{describe(pair[0]).label} > {describe(pair[1]).label}"}
    if found is None:
        return row | {"verdict": NOT_RUN}
    return row | {"difference": found.points, "low": found.low, "high": found.high, "p": found.p,
                  "method": found.method, "verdict": VERDICTS[found.verdict]}


def _cost_row(results: Results) -> dict:
    """The cost claim: a ratio of multiply-adds, which has no sampling error."""
    row = {"claim": COST_CLAIM, "source": "one stream, not two",
           "comparison": "GMACs, student / teacher"}
    costs = [results["arms"].get(arm, {}).get("gmacs") for arm in ("ssl-kd", "teacher")]
    if None in costs:
        return row | {"verdict": NOT_RUN}
    ratio = costs[0] / costs[1]
    holds = HALF[0] <= ratio <= HALF[1]
    return row | {"comparison": f"GMACs, student / teacher = {ratio:.3f}",
                  "method": "counted", "verdict": HOLDS if holds else FAILS}


def comparisons(results: Results) -> pd.DataFrame:
    """One row per comparison.

    Columns: claim, source, comparison, difference, low, high (percent points), p, method,
    verdict. Source: abstract and SSL-source chart of arXiv 2502.03724 v2.
    """
    rows = []
    for claim in CLAIMS:
        found = [(pair, compare(results, *pair)) for pair in claim.pairs]
        if claim.instead and all(difference is None for _, difference in found):
            second_choice = [(pair, compare(results, *pair)) for pair in claim.instead]
            if any(difference is not None for _, difference in second_choice):
                found = second_choice
        rows += [_row(claim.text, claim.source, pair, difference) for pair, difference in found]
    columns = ["claim", "source", "comparison", "difference", "low", "high", "p", "method",
               "verdict"]
    return pd.DataFrame([*rows, _cost_row(results)], columns=columns)


def claims_table(results: Results) -> pd.DataFrame:
    """One row per claim: claim, source, evidence (its comparisons in words), verdict."""
    rows = []
    for text, group in comparisons(results).groupby("claim", sort=False):
        rows.append({"claim": text, "source": group["source"].iloc[0],
                     "evidence": "; ".join(_evidence(row) for _, row in group.iterrows()),
                     "verdict": _overall(list(group["verdict"]))})
    return pd.DataFrame(rows)


def _evidence(row: pd.Series) -> str:
    """A comparison in one phrase: `DFF > dark: +3.6 [+0.4, +6.9], p = 0.031`."""
    if row["verdict"] == NOT_RUN:
        return f"{row['comparison']}: not run"
    if pd.isna(row["difference"]):
        return row["comparison"]
    p = "" if pd.isna(row["p"]) else f", p = {row['p']:.3f}"
    interval = f"[{row['low']:+.1f}, {row['high']:+.1f}]"
    return f"{row['comparison']}: {row['difference']:+.1f} {interval}{p}"


def claims_text(results: Results) -> str:
    """The judged claims as plain text, one verdict per line with its evidence below."""
    lines = [f"Claims, judged on {results.get('dataset', 'this data set')} "
             "(difference in points of Top-1, 95 % interval)"]
    for row in claims_table(results).itertuples():
        lines.append(f"  {row.verdict:<14} {row.claim}")
        lines += [f"  {'':<14}   {part}" for part in row.evidence.split("; ")]
    return "\n".join(lines)


def reported_rows(dataset: str) -> pd.DataFrame:
    """The published rows of a data set's table, MD-BERT's included.

    Args:
        dataset: 'arid-v1.0', 'arid-v1.5' or 'dark48'.

    Raises:
        ValueError: no table of the paper is on that data set.
    """
    numbers = dict(zip(OFFICIAL_TESTS, TABLES, strict=True))
    if dataset not in numbers:
        raise ValueError(f"no published rows on {dataset!r}; there are {', '.join(numbers)}")
    tables = [f"actlumos-{numbers[dataset]}", f"mdbert-{numbers[dataset]}"]
    rows = [reported(table=table) for table in tables if table in set(reported()["table"])]
    return pd.concat(rows, ignore_index=True)


def official_sizes(dataset: str) -> tuple[int, int]:
    """Clips in the smallest and the largest official test list whose size is known."""
    sizes = [size for size in OFFICIAL_TESTS[dataset].values() if size]
    return min(sizes), max(sizes)


def reported_gaps(dataset: str) -> pd.DataFrame:
    """How far the best published row is ahead of each other one, and whether that is significant.

    The rows carry neither interval nor predictions, so the two are compared as if each had been
    measured alone on the largest official test list (the kindest case).

    Returns:
        Columns method, top1 (percent), points (best minus this one), fewest, most (the same as a
        number of clips of the smallest and largest official test), low, high (95 % interval of
        the difference, points), verdict ('better', 'within noise'); smallest difference first.

    Raises:
        ValueError: no table of the paper is on that data set.
    """
    table = reported_rows(dataset).sort_values("top1", ascending=False)
    small, large = official_sizes(dataset)
    best, rows = table["top1"].iloc[0], []
    for row in table.iloc[1:].itertuples():
        found = unpaired_difference(best, wilson(best, large), row.top1, wilson(row.top1, large))
        rows.append({"method": row.method, "top1": row.top1, "points": found.points,
                     "fewest": found.points * small / 100, "most": found.points * large / 100,
                     "low": found.low, "high": found.high, "verdict": found.verdict})
    return pd.DataFrame(rows)


def noise_note(dataset: str) -> str:
    """Which published rows the official test is too small to tell from the best one, in words.

    Raises:
        ValueError: no table of the paper is on that data set.
    """
    best = reported_rows(dataset).sort_values("top1", ascending=False).iloc[0]
    gaps, (small, large) = reported_gaps(dataset), official_sizes(dataset)
    low, high = wilson(best.top1, large)
    size = f"{small:,}" if small == large else f"{small:,} to {large:,}"
    noise = gaps[gaps["verdict"] == NOISE]
    named = [f"{row.method} by {row.points:.2f} points ({_span(row.fewest, row.most)} clips)"
             for row in noise.itertuples()]
    needed = next(clips for clips in count(1) if mcnemar(clips, 0) < 0.05)
    lead = "within noise of no other row" if not named else (
        "ahead, but within noise, of " + "; ".join(named))
    return (
        f"Reported: one official test has {size} clips, so the interval of {best.top1:.2f} is "
        f"{low:.1f} to {high:.1f} (95 %, {large:,} clips). {best.method} is {lead}. Fewer than "
        f"{needed} clips could not decide even if both methods' predictions were known. The "
        "published protocol is not stated; a row may be one split or a mean."
    )


def _span(fewest: float, most: float) -> str:
    low, high = f"{fewest:.1f}", f"{most:.1f}"
    return low if low == high else f"{low} to {high}"


def standing(top1: float, interval: tuple[float, float], dataset: str) -> str:
    """How an accuracy of ours compares with the published rows, in words.

    Args:
        top1, interval: ours in percent, with its 95 % interval.
        dataset: 'arid-v1.0', 'arid-v1.5' or 'dark48'.
    """
    size = official_sizes(dataset)[1]
    places: dict[str, list[str]] = {"better": [], "within noise": [], "worse": []}
    for row in reported_rows(dataset).itertuples():
        other = wilson(row.top1, size)
        places[unpaired_difference(top1, interval, row.top1, other).verdict].append(row.method)
    words = {"better": "above", "within noise": "within noise of", "worse": "below"}
    return "; ".join(f"{words[verdict]} {', '.join(methods)}"
                     for verdict, methods in places.items() if methods)
