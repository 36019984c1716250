// Prints the SQL that leads from what the database of DATABASE_URL has to a Prisma schema (schema.prisma unless named).
// Exit code 0: they agree; 2: the SQL printed is missing.
//
// Prisma's own schema engine compares; it gets an adapter of ours with one connection, because the stock one splits
// scripts at semicolons and cannot read the catalogue's types. Nothing is written to the database.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname } from "node:path";

import * as engine from "@prisma/schema-engine-wasm/schema_engine_bg";
import pg from "pg";

// The engine's numbers for the catalogue's types, by PostgreSQL's; everything else is read as text.
const TEXT = 7;
const COLUMN_TYPES = {
  16: 5, 18: 6, 20: 1, 21: 0, 23: 0, 26: 1, 1000: 69, 1002: 70, 1003: 71, 1005: 64, 1009: 71, 1700: 4,
};

const ok = (value) => ({ ok: true, value, map: (change) => ok(change(value)), flatMap: (change) => change(value) });

function parserFor(oid) {
  if (oid === 16) return (text) => text === "t";
  if (oid === 21 || oid === 23) return Number;
  if (oid === 1003 || oid === 1002) return pg.types.getTypeParser(1009);
  if (oid === 1005 || oid === 1009 || oid === 1000) return pg.types.getTypeParser(oid);
  return (text) => text;
}

function queryable(client) {
  return {
    provider: "postgres",
    adapterName: "schema-diff",
    async queryRaw({ sql, args }) {
      const types = { getTypeParser: parserFor };
      const result = await client.query({ text: sql, values: args, rowMode: "array", types });
      return ok({
        columnNames: result.fields.map((field) => field.name),
        columnTypes: result.fields.map((field) => COLUMN_TYPES[field.dataTypeID] ?? TEXT),
        rows: result.rows,
      });
    },
    async executeRaw({ sql, args }) {
      return ok((await client.query({ text: sql, values: args })).rowCount ?? 0);
    },
    async executeScript(script) {
      await client.query(script);
      return ok(undefined);
    },
    async startTransaction() {
      throw new Error("A comparison needs no transaction.");
    },
    getConnectionInfo: () => ok({ schemaName: "public", maxBindValues: 32766, supportsRelationJoins: true }),
    async dispose() {
      return ok(undefined);
    },
  };
}

async function loadEngine() {
  const directory = dirname(createRequire(import.meta.url).resolve("@prisma/schema-engine-wasm"));
  const bytes = await readFile(`${directory}/schema_engine_bg.wasm`);
  const { instance } = await WebAssembly.instantiate(bytes, { "./schema_engine_bg.js": engine });
  globalThis.PRISMA_WASM_PANIC_REGISTRY = { set_message: (message) => process.stderr.write(`${message}\n`) };
  engine.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
}

async function missing(path, client) {
  const files = [{ path, content: await readFile(path, "utf8") }];
  const connect = async () => ok(queryable(client));
  const factory = {
    provider: "postgres",
    adapterName: "schema-diff",
    connect,
    connectToShadowDb: connect,
    errorRegistry: { consumeError: () => undefined },
  };
  const schemaEngine = await engine.SchemaEngine.new({ datamodels: [[path, files[0].content]] }, () => {}, factory);
  return schemaEngine.diff({
    from: { tag: "schemaDatasource", files, configDir: "." },
    to: { tag: "schemaDatamodel", files },
    shadowDatabaseUrl: null,
    script: true,
    exitCode: true,
    filters: { externalTables: [], externalEnums: [] },
  });
}

await loadEngine();
const client = new pg.Client({ connectionString: process.env.DATABASE_URL });
await client.connect();
const result = await missing(process.argv[2] ?? "schema.prisma", client);
await client.end();
process.stdout.write(result.stdout ?? "");
process.exitCode = result.exitCode;
