from __future__ import annotations

import pytest

from scripts.benchmarks.figures import Row, Stat, missed, percentile, table


def test_the_percentile_is_the_nearest_rank() -> None:
    values = [float(number) for number in range(1, 21)]
    assert percentile(values, 95) == 19
    assert percentile(values, 100) == 20
    assert percentile(values, 0) == 1
    assert percentile([7.0], 95) == 7


def test_nothing_measured_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        percentile([], 95)


def test_a_series_does_not_have_to_be_sorted() -> None:
    assert Stat.of([5.0, 1.0, 3.0]) == Stat(count=3, median=3.0, p95=5.0, most=5.0)


def test_the_table_shows_ratios_and_what_was_missed() -> None:
    rows = [
        Row("kept", "ms", Stat.of([3.0]), Stat.of([2.0]), "<= 2 x", met=True),
        Row("missed", "ms", Stat.of([1234.5]), bound="< 1 ms", met=False),
        Row("told", "MB", Stat.of([0.0123])),
    ]
    assert table(rows).splitlines() == [
        "| measured | unit | n | product median | p95    | most   | bare median | p95  | ratio | bound  | met |",
        "|----------|------|---|----------------|--------|--------|-------------|------|-------|--------|-----|",
        "| kept     | ms   | 1 | 3.00           | 3.00   | 3.00   | 2.00        | 2.00 | 1.50  | <= 2 x | yes |",
        "| missed   | ms   | 1 | 1234           | 1234   | 1234   |             |      |       | < 1 ms | NO  |",
        "| told     | MB   | 1 | 0.0123         | 0.0123 | 0.0123 |             |      |       |        |     |",
    ]
    assert missed(rows) == ["missed"]
