// What the engine answers, whatever carries the request: each method takes and gives the texts of bodies.

import { Adapter, createPool } from "./adapter.mjs";
import { poolOptions } from "./connection_url.mjs";
import { parseDatamodel } from "./datamodel.mjs";
import { DriverErrors } from "./driver_errors.mjs";
import { completeErrors, failure } from "./errors.mjs";
import { Metrics } from "./metrics.mjs";
import { clientAnswer } from "./responses.mjs";
import { checkedId, endTransaction, startTransaction } from "./transactions.mjs";
import { Translator } from "./translate.mjs";
import { WasmEngine } from "./wasm.mjs";

/** The engine for one schema and database. */
export class Service {
  constructor(datamodel, environment, log) {
    const { models, datasource } = parseDatamodel(datamodel);
    const { pool, schema, connectTimeoutMs, where } = poolOptions(databaseUrl(datasource, environment));
    this.errors = new DriverErrors();
    this.metrics = new Metrics();
    this.pool = createPool(pool, connectTimeoutMs, this.metrics);
    this.metrics.pool = this.pool;
    this.translator = new Translator(models);
    const adapter = new Adapter(this.pool, { schema, where, errors: this.errors, metrics: this.metrics });
    this.engine = new WasmEngine({ datamodel, adapter, log });
  }

  start() {
    return this.engine.start();
  }

  stop() {
    return this.pool.end();
  }

  /** After a panic. */
  replaceEngine() {
    return this.engine.replace();
  }

  /** One request, or `{ batch: […] }`. */
  query(text, transaction) {
    return this.answered(() =>
      this.metrics.request(async () => {
        const body = JSON.parse(text);
        const request = body.batch === undefined ? this.translator.query(body.query) : this.batch(body);
        const id = transaction === undefined ? undefined : checkedId(transaction);
        const answer = await this.engine.query(request, id);
        return clientAnswer(completeErrors(answer, this.errors), request.action === "queryRaw");
      }),
    );
  }

  batch({ batch, transaction, isolation_level }) {
    const queries = batch.map((item) => this.translator.query(item.query));
    if (!transaction) return { batch: queries };
    return { batch: queries, transaction: isolation_level === undefined ? {} : { isolationLevel: isolation_level } };
  }

  startTransaction(text) {
    return this.answered(() => startTransaction(this.engine, this.errors, JSON.parse(text)));
  }

  commitTransaction(id) {
    return this.answered(() => endTransaction(this.engine, this.errors, "commitTransaction", id));
  }

  rollbackTransaction(id) {
    return this.answered(() => endTransaction(this.engine, this.errors, "rollbackTransaction", id));
  }

  /** `format` is json or prometheus; `labels` the text of a JSON object, or empty. */
  metricsText(format, labels) {
    const parsed = labels === "" ? {} : JSON.parse(labels);
    return format === "prometheus" ? this.metrics.prometheus(parsed) : JSON.stringify(this.metrics.snapshot(parsed));
  }

  /** Errors are answers too: the client takes a failed request of HTTP for a broken engine. */
  async answered(call) {
    try {
      return await call();
    } catch (error) {
      return completeErrors(failure(error), this.errors);
    }
  }
}

function databaseUrl(datasource, environment) {
  const overrides = JSON.parse(environment.OVERWRITE_DATASOURCES ?? "[]");
  const override = overrides.find(({ name }) => name === datasource.name)?.url;
  const url = override ?? datasource.url ?? environment[datasource.env];
  if (!url) throw new Error(`Environment variable not found: ${datasource.env ?? "the datasource has no url"}`);
  return url;
}
