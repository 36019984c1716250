"""Metrics in both formats."""

from __future__ import annotations

from typing import Any


async def test_json(client: Any) -> None:
    before = await client.get_metrics()
    await client.tag.create({"name": "a"})
    metrics = await client.get_metrics(global_labels={"service": "test"})
    counters = {metric.key: metric.value for metric in metrics.counters}
    earlier = {metric.key: metric.value for metric in before.counters}
    assert counters["prisma_client_queries_total"] == earlier["prisma_client_queries_total"] + 1
    assert counters["prisma_datasource_queries_total"] > earlier["prisma_datasource_queries_total"]
    gauges = {metric.key: metric.value for metric in metrics.gauges}
    assert gauges["prisma_client_queries_active"] == 0
    assert gauges["prisma_pool_connections_open"] > 0
    times = next(m for m in metrics.histograms if m.key == "prisma_client_queries_duration_histogram_ms")
    assert times.value.count == counters["prisma_client_queries_total"]
    assert sum(count for _, count in times.value.buckets) == times.value.count
    assert times.labels == {"service": "test"}


async def test_prometheus(client: Any) -> None:
    await client.tag.count()
    text = await client.get_metrics("prometheus", global_labels={"service": 'a"b'})
    assert "# TYPE prisma_client_queries_total counter" in text
    assert 'prisma_pool_connections_open{service="a\\"b"} ' in text
    assert 'prisma_client_queries_duration_histogram_ms_bucket{service="a\\"b",le="+Inf"} ' in text
