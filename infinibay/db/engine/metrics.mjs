// The engine's metrics: the WebAssembly build counts nothing itself. Names and shapes are the native engine's.

const BOUNDS = [0, 1, 5, 10, 50, 100, 500, 1000, 5000, 50000];

class Histogram {
  constructor() {
    this.counts = new Array(BOUNDS.length).fill(0);
    this.sum = 0;
    this.count = 0;
  }

  add(value) {
    const index = BOUNDS.findIndex((bound) => value <= bound);
    if (index >= 0) this.counts[index] += 1;
    this.sum += value;
    this.count += 1;
  }
}

/** Counts of requests, statements and connections. */
export class Metrics {
  constructor() {
    this.requests = 0;
    this.active = 0;
    this.statements = 0;
    this.opened = 0;
    this.closed = 0;
    this.requestTimes = new Histogram();
    this.statementTimes = new Histogram();
    this.pool = { totalCount: 0, idleCount: 0, waitingCount: 0 };
  }

  statement(milliseconds) {
    this.statements += 1;
    this.statementTimes.add(milliseconds);
  }

  connectionOpened() {
    this.opened += 1;
  }

  connectionClosed() {
    this.closed += 1;
  }

  /** Runs one request of the client and counts it. */
  async request(call) {
    const started = performance.now();
    this.requests += 1;
    this.active += 1;
    try {
      return await call();
    } finally {
      this.active -= 1;
      this.requestTimes.add(performance.now() - started);
    }
  }

  /** `{ counters, gauges, histograms }`, each entry with the given labels. */
  snapshot(labels) {
    const { totalCount, idleCount, waitingCount } = this.pool;
    const one = (key, value, description) => ({ key, labels, value, description });
    return {
      counters: [
        one("prisma_client_queries_total", this.requests, "Total number of Prisma Client queries executed"),
        one("prisma_datasource_queries_total", this.statements, "Total number of Datasource Queries executed"),
        one("prisma_pool_connections_opened_total", this.opened, "Total number of Pool Connections opened"),
        one("prisma_pool_connections_closed_total", this.closed, "Total number of Pool Connections closed"),
      ],
      gauges: [
        one("prisma_client_queries_active", this.active, "Number of currently active Prisma Client queries"),
        one("prisma_client_queries_wait", waitingCount, "Number of Prisma Client queries currently waiting for a connection"),
        one("prisma_pool_connections_busy", totalCount - idleCount, "Number of currently busy Pool Connections"),
        one("prisma_pool_connections_idle", idleCount, "Number of currently unused Pool Connections"),
        one("prisma_pool_connections_open", totalCount, "Number of currently open Pool Connections"),
      ],
      histograms: [
        one("prisma_client_queries_duration_histogram_ms", buckets(this.requestTimes), "The distribution of the time Prisma Client queries took to run end to end"),
        one("prisma_datasource_queries_duration_histogram_ms", buckets(this.statementTimes), "The distribution of the time datasource queries took to run"),
      ],
    };
  }

  /** The same in the text format of Prometheus. */
  prometheus(labels) {
    const { counters, gauges, histograms } = this.snapshot(labels);
    return [
      ...counters.map((metric) => scalarText(metric, "counter")),
      ...gauges.map((metric) => scalarText(metric, "gauge")),
      ...histograms.map(histogramText),
    ].join("\n");
  }
}

function buckets({ sum, count, counts }) {
  return { sum, count, buckets: BOUNDS.map((bound, index) => [bound, counts[index]]) };
}

function head({ key, description }, type) {
  return `# HELP ${key} ${description}\n# TYPE ${key} ${type}\n`;
}

function scalarText(metric, type) {
  return `${head(metric, type)}${metric.key}${labelText(metric.labels)} ${metric.value}\n`;
}

function histogramText(metric) {
  const { key, labels, value } = metric;
  let below = 0;
  const lines = value.buckets.map(([bound, count]) => `${key}_bucket${labelText({ ...labels, le: bound })} ${(below += count)}\n`);
  const rest = `${key}_bucket${labelText({ ...labels, le: "+Inf" })} ${value.count}\n`;
  return `${head(metric, "histogram")}${lines.join("")}${rest}${key}_sum${labelText(labels)} ${value.sum}\n${key}_count${labelText(labels)} ${value.count}\n`;
}

function labelText(labels) {
  const texts = Object.entries(labels).map(([name, value]) => `${name}="${String(value).replace(/["\\\n]/g, "\\$&")}"`);
  return texts.length > 0 ? `{${texts.join(",")}}` : "";
}
