// The engine's way to PostgreSQL: a pool of connections behind the interface of Prisma's driver adapters.

import { createRequire } from "node:module";

import { columnType, typeParsers } from "./columns.mjs";
import { connectionError, isStatementError } from "./errors.mjs";

const pg = createRequire(import.meta.url)("pg");

const ok = (value) => ({ ok: true, value, map: (change) => ok(change(value)), flatMap: (change) => change(value) });
const err = (error) => ({ ok: false, error, map: () => err(error), flatMap: () => err(error) });
const ignore = () => {};

/** A pool whose connections survive the death of their backends. */
export function createPool(options, connectTimeoutMs, metrics) {
  // The pool's time limit is for a free place in it; a new connection has its own.
  class Client extends pg.Client {
    constructor(config) {
      super({ ...config, connectionTimeoutMillis: connectTimeoutMs });
    }
  }
  const pool = new pg.Pool({ ...options, Client });
  // Without a listener, the loss of a connection would end the process; whoever uses it gets the error anyway.
  pool.on("error", ignore);
  pool.on("connect", (client) => {
    client.on("error", ignore);
    metrics.connectionOpened();
  });
  pool.on("remove", () => metrics.connectionClosed());
  return pool;
}

class Queryable {
  constructor(client, context) {
    this.provider = "postgres";
    this.adapterName = "pg";
    this.client = client;
    this.context = context;
    this.errorRegistry = { consumeError: (id) => ({ error: context.errors.take(id) }) };
  }

  queryRaw = ({ sql, args }) =>
    this.guarded(async () => {
      const { fields, rows } = await this.run(sql, args);
      const columnTypes = fields.map((field) => columnType(field.dataTypeID));
      if (columnTypes.includes(undefined)) return err({ kind: "UnsupportedNativeDataType", type: "void" });
      return ok({ columnNames: fields.map((field) => field.name), columnTypes, rows });
    });

  executeRaw = ({ sql, args }) => this.guarded(async () => ok((await this.run(sql, args)).rowCount ?? 0));

  async run(sql, args) {
    const started = performance.now();
    try {
      return await this.client.query({ text: sql, values: args.map(driverValue), rowMode: "array", types: typeParsers });
    } finally {
      this.context.metrics.statement(performance.now() - started);
    }
  }

  /** Errors go to the engine as values: the server's with their state, others by number. */
  async guarded(call) {
    try {
      return await call();
    } catch (error) {
      if (isStatementError(error)) {
        const { code, severity, message, detail, column, hint } = error;
        return err({ kind: "Postgres", code, severity, message, detail, column, hint });
      }
      return err({ kind: "GenericJs", id: this.context.errors.keep(connectionError(error, this.context.where)) });
    }
  }
}

/** Binary elements of a list are views on the engine's memory, which the driver does not know inside lists. */
function driverValue(value) {
  if (!Array.isArray(value)) return value;
  return value.map((item) => (ArrayBuffer.isView(item) ? Buffer.from(item.buffer, item.byteOffset, item.byteLength) : item));
}

class Transaction extends Queryable {
  // The engine sends BEGIN, COMMIT and ROLLBACK itself.
  options = { usePhantomQuery: false };

  commit = async () => this.end();

  rollback = async () => this.end();

  end() {
    if (this.context.open.delete(this)) this.client.release();
    return ok(undefined);
  }

  /** Gives the connection up together with what runs on it. */
  abandon() {
    if (this.context.open.delete(this)) this.client.release(true);
  }
}

/** The adapter for one pool; `where` names the server in messages. */
export class Adapter extends Queryable {
  constructor(pool, { schema, where, errors, metrics }) {
    super(pool, { errors, metrics, where, open: new Set() });
    this.schema = schema;
  }

  getConnectionInfo = () => ok({ schemaName: this.schema });

  startTransaction = () =>
    this.guarded(async () => {
      const client = await this.client.connect();
      const transaction = new Transaction(client, this.context);
      this.context.open.add(transaction);
      return ok(transaction);
    });

  /** After the engine's death nobody would end its transactions. */
  abandonTransactions() {
    for (const transaction of [...this.context.open]) transaction.abandon();
  }
}
