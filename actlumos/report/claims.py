"""The paper's qualitative claims, each held against a run's results and printed as it comes out.

A claim about accuracy *holds* when every one of its comparisons is better by more than the test
set's size allows (95 %), *does not hold* when one is worse by that much, is *within noise* when
the clips cannot tell, and *not run* when an arm is missing. One run speaks of one seed, and no
correction is made for the number of claims: read a single p value near .05 with that in mind.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from actlumos.report.arms import describe
from actlumos.report.results import Results, correct, entry
from actlumos.report.stats import Difference, paired_difference, unpaired_difference

HOLDS, FAILS, NOISE, NOT_RUN = "holds", "does not hold", "within noise", "not run"
VERDICTS = {"better": HOLDS, "worse": FAILS, "within noise": NOISE}
HALF = (0.45, 0.55)  # a student/teacher cost ratio in this range counts as "half"


@dataclass(frozen=True)
class Claim:
    """`text` is the claim; `source` says where it is made; `pairs` are (better, worse) arms.

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
    """One row a comparison.

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
    """One row a claim: claim, source, evidence (its comparisons in words), verdict."""
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
    """The judged claims as plain text, a verdict a line with its evidence beneath."""
    lines = [f"Claims, judged on {results.get('dataset', 'this data set')} "
             "(difference in points of Top-1, 95 % interval)"]
    for row in claims_table(results).itertuples():
        lines.append(f"  {row.verdict:<14} {row.claim}")
        lines += [f"  {'':<14}   {part}" for part in row.evidence.split("; ")]
    return "\n".join(lines)
