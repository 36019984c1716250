"""Reading figures as Prometheus does."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from infinibay import metrics


def summed(families: Iterable[Metric], name: str, **labels: str) -> float:
    """The sum of the samples of a name that have these labels; 0 without any."""
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def of_this_process(name: str, **labels: str) -> float:
    """The same of what this process shows."""
    return summed(text_string_to_metric_families(metrics.exposition([]).decode()), name, **labels)
