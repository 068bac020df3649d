"""The published numbers, as printed by their authors: facts to compare with, never ours.

Source: results tables and SSL-source chart of ActLumos (arXiv 2502.03724 v2), and the rows of
its version 1, MD-BERT. What is doubtful about a row is in its `note`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd

TABLES = {1: "ARID V1.0", 2: "ARID V1.5", 3: "Dark48"}
SSL_SOURCES = ("none (KD only)", "ARID", "Dark48", "ARID+Dark48")
REMARKS = (
    "The evaluation protocol (splits, clips and crops averaged) is not stated in what can be read.",
    "Several rows equal those of ARID's own benchmark, where they are means over three splits.",
    "C3D (40.34 / 94.17) is in that benchmark and is missing from Table 1.",
    "DL-KDD (arXiv 2406.02468), an earlier distillation method, is in none of the three tables.",
    "No row carries an interval, a number of runs or a standard deviation.",
)


@cache
def _rows() -> pd.DataFrame:
    table = pd.read_csv(Path(__file__).with_name("reported.csv"), dtype={"note": str, "venue": str})
    table["note"] = table["note"].fillna("")
    return table


def reported(dataset: str | None = None, table: str | None = None) -> pd.DataFrame:
    """Published rows: columns table, dataset, method, venue, year, top1, top5, params_m, note.

    Args:
        dataset: keep one data set: 'ARID V1.0', 'ARID V1.5' or 'Dark48'.
        table: keep one table: 'actlumos-1' to '-3', 'mdbert-1', 'mdbert-2',
            'actlumos-ssl-source'.

    Returns:
        A new data frame; accuracies in percent, parameters in millions, NaN where not printed.

    Raises:
        ValueError: there is no such data set or table.
    """
    rows = _rows()
    for column, wanted in (("dataset", dataset), ("table", table)):
        if wanted is None:
            continue
        known = sorted(_rows()[column].unique())
        if wanted not in known:
            raise ValueError(f"no published {column} {wanted!r}; there are {', '.join(known)}")
        rows = rows[rows[column] == wanted]
    return rows.reset_index(drop=True).copy()


def ssl_source() -> pd.DataFrame:
    """Top-1 in percent by data set (rows) and pretraining pool (columns), as published."""
    rows = reported(table="actlumos-ssl-source")
    table = rows.pivot(index="dataset", columns="method", values="top1")
    return table.loc[list(TABLES.values()), list(SSL_SOURCES)].rename_axis(columns="pool")


def doubtful() -> pd.DataFrame:
    """The published rows that carry a note, with the note: table, method, top1, params_m, note."""
    rows = reported()
    columns = ["table", "method", "top1", "params_m", "note"]
    return rows.loc[rows["note"] != "", columns].reset_index(drop=True)
