// Prisma's query engine as a WebAssembly instance that is replaced when it panics.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { PrismaError } from "./errors.mjs";

const require = createRequire(import.meta.url);
const RUNTIME = require.resolve("@prisma/client/runtime/query_engine_bg.postgresql.js");
const NO_TRACE = "{}";

/** One engine for one datamodel and adapter. */
export class WasmEngine {
  constructor({ datamodel, adapter, log }) {
    this.options = { datamodel, adapter, log };
    this.module = new WebAssembly.Module(readFileSync(RUNTIME.replace(/\.js$/, ".wasm")));
  }

  async start() {
    this.instance = this.instantiate();
    this.death = new Promise((_resolve, reject) => (this.fail = reject));
    this.death.catch(() => {}); // Nobody may be waiting when it dies.
    await this.instance.connect(NO_TRACE);
  }

  instantiate() {
    // The runtime keeps the instance's state in its module, so that each instance needs a fresh one.
    delete require.cache[RUNTIME];
    const runtime = require(RUNTIME);
    runtime.__wbg_set_wasm(new WebAssembly.Instance(this.module, { "./query_engine_bg.js": runtime }).exports);
    const { datamodel, adapter, log } = this.options;
    return new runtime.QueryEngine(
      {
        datamodel, env: {}, logQueries: log !== null, ignoreEnvVarErrors: true, datasourceOverrides: {},
        logLevel: log === null ? "error" : "info", configDir: "/", engineProtocol: "json",
      },
      log ?? (() => {}),
      adapter,
    );
  }

  /** Replaces the instance; calls that wait for the old one fail, and its transactions are rolled back. */
  async replace() {
    const { fail } = this;
    this.options.adapter.abandonTransactions();
    const started = this.start();
    fail(new PrismaError("P1017", "The query engine failed; its open requests and transactions are lost."));
    await started;
  }

  query(request, transaction) {
    return this.call((instance) => instance.query(JSON.stringify(request), NO_TRACE, transaction));
  }

  startTransaction(options) {
    return this.call((instance) => instance.startTransaction(JSON.stringify(options), NO_TRACE));
  }

  commitTransaction(id) {
    return this.call((instance) => instance.commitTransaction(id, NO_TRACE));
  }

  rollbackTransaction(id) {
    return this.call((instance) => instance.rollbackTransaction(id, NO_TRACE));
  }

  call(use) {
    return Promise.race([use(this.instance), this.death]);
  }
}
