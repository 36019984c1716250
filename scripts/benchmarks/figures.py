"""Medians, percentiles, bounds, and the one table that shows them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_HEAD = ("measured", "unit", "n", "product median", "p95", "most", "bare median", "p95", "ratio", "bound", "met")


@dataclass(frozen=True)
class Stat:
    """What a series of measurements comes to."""

    count: int
    median: float
    p95: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Stat:
        """ValueError for an empty series."""
        return cls(len(values), statistics.median(values), percentile(values, 95), max(values, default=math.nan))


@dataclass(frozen=True)
class Row:
    """One line of the table. `met` is None for a figure without a bound; a bound is a sentence for people."""

    what: str
    unit: str
    product: Stat
    bare: Stat | None = None
    bound: str = ""
    met: bool | None = None

    @property
    def ratio(self) -> float | None:
        """Median to median; None without a bare call."""
        return self.product.median / self.bare.median if self.bare else None


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest rank: the smallest value that `percent` of all do not exceed. ValueError for an empty series."""
    if not values:
        raise ValueError("nothing was measured")
    rank = math.ceil(percent / 100 * len(values))
    return sorted(values)[max(rank, 1) - 1]


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table whose columns are aligned for terminals too."""
    cells = [_HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEAD))]
    lines = [_line(line, widths) for line in cells]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def missed(rows: Sequence[Row]) -> list[str]:
    """The names of the rows whose bound was missed."""
    return [row.what for row in rows if row.met is False]


def _cells(row: Row) -> tuple[str, ...]:
    bare = (_number(row.bare.median), _number(row.bare.p95)) if row.bare else ("", "")
    return (
        row.what,
        row.unit,
        str(row.product.count),
        _number(row.product.median),
        _number(row.product.p95),
        _number(row.product.most),
        *bare,
        "" if row.ratio is None else f"{row.ratio:.2f}",
        row.bound,
        {None: "", True: "yes", False: "NO"}[row.met],
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


def _number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}"
