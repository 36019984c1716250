// Prints the SQL that leads to schema.prisma: from what the database of DATABASE_URL has.
// Exit code 0: they agree; 2: the SQL printed is missing.
//
// Prisma's own schema engine compares; it gets an adapter of ours with one connection, because the stock one splits
// scripts at semicolons and cannot read the catalogue's types. Nothing is written to the database.
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import * as engine from '@prisma/schema-engine-wasm/schema_engine_bg'
import { ColumnTypeEnum } from '@prisma/driver-adapter-utils'
import pg from 'pg'

const NAMES_OF_TYPES = {
  16: 'Boolean', 18: 'Character', 20: 'Int64', 21: 'Int32', 23: 'Int32', 25: 'Text', 26: 'Int64', 1009: 'TextArray',
  1002: 'CharacterArray', 1003: 'TextArray', 1005: 'Int32Array', 1700: 'Numeric', 1000: 'BooleanArray',
}
const ok = (value) => ({ ok: true, value, map: (f) => ok(f(value)), flatMap: (f) => f(value) })

function parserFor(oid) {
  if (oid === 16) return (text) => text === 't'
  if (oid === 21 || oid === 23) return Number
  if (oid === 1003 || oid === 1002) return pg.types.getTypeParser(1009)
  if (oid === 1005 || oid === 1009 || oid === 1000) return pg.types.getTypeParser(oid)
  return (text) => text
}

function queryable(client) {
  return {
    provider: 'postgres',
    adapterName: 'schema-diff',
    async queryRaw({ sql, args }) {
      const result = await client.query({
        text: sql, values: args, rowMode: 'array', types: { getTypeParser: (oid) => parserFor(oid) },
      })
      return ok({
        columnNames: result.fields.map((field) => field.name),
        columnTypes: result.fields.map((field) => ColumnTypeEnum[NAMES_OF_TYPES[field.dataTypeID] ?? 'Text']),
        rows: result.rows,
      })
    },
    async executeRaw({ sql, args }) {
      return ok((await client.query({ text: sql, values: args })).rowCount ?? 0)
    },
    async executeScript(script) {
      await client.query(script)
      return ok(undefined)
    },
    async startTransaction() {
      throw new Error('A comparison needs no transaction.')
    },
    getConnectionInfo: () => ok({ schemaName: 'public', maxBindValues: 32766, supportsRelationJoins: true }),
    async dispose() {
      return ok(undefined)
    },
  }
}

async function loadEngine() {
  const directory = dirname(createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm'))
  const bytes = await readFile(`${directory}/schema_engine_bg.wasm`)
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': engine })
  engine.__wbg_set_wasm(instance.exports)
  instance.exports.__wbindgen_start()
}

const path = process.argv[2] ?? 'schema.prisma'
const files = [{ path, content: await readFile(path, 'utf8') }]
const client = new pg.Client({ connectionString: process.env.DATABASE_URL })
await client.connect()
globalThis.PRISMA_WASM_PANIC_REGISTRY = { set_message: (message) => process.stderr.write(`${message}\n`) }
await loadEngine()
const connect = async () => ok(queryable(client))
const factory = {
  provider: 'postgres', adapterName: 'schema-diff', connect, connectToShadowDb: connect,
  errorRegistry: { consumeError: () => undefined },
}
const schemaEngine = await engine.SchemaEngine.new({ datamodels: [[path, files[0].content]] }, () => {}, factory)
const result = await schemaEngine.diff({
  from: { tag: 'schemaDatasource', files, configDir: '.' },
  to: { tag: 'schemaDatamodel', files },
  shadowDatabaseUrl: null, script: true, exitCode: true, filters: { externalTables: [], externalEnums: [] },
})
await client.end()
process.stdout.write(result.stdout ?? '')
process.exitCode = result.exitCode
