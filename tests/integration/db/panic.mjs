// Makes the engine panic while a transaction and a request are open, and prints what became of them.
//
// The program itself refuses what makes the engine panic, so this asks the engine directly.
import { readFileSync } from "node:fs";

import { surviveEngine } from "../../../infinibay/db/engine/lifecycle.mjs";
import { Service } from "../../../infinibay/db/engine/service.mjs";

const service = new Service(readFileSync(process.argv[2], "utf8"), process.env, null);
await service.start();
surviveEngine(service);

const raw = (sql) => JSON.stringify({ query: `query { result: queryRaw(query: ${JSON.stringify(sql)} parameters: "[]") }` });
const { id } = JSON.parse(await service.startTransaction('{"timeout":60000,"max_wait":5000}'));
await service.query(raw('INSERT INTO "Tag" (name) VALUES (\'lost\') RETURNING id'), id);
const open = service.query(raw("SELECT pg_sleep(30)::text"));
const panicked = service.engine.query({ action: "queryRaw", query: { arguments: {}, selection: {} } }, "no id").catch((error) => error.code);

process.stdout.write(
  JSON.stringify({
    panicked: await panicked,
    open: JSON.parse(await open).errors[0].user_facing_error.error_code,
    transaction: JSON.parse(await service.query(raw("SELECT 1"), id)).errors[0].user_facing_error.error_code,
    later: JSON.parse(await service.query(raw('SELECT count(*)::int AS n FROM "Tag"'))).data.result.rows,
    busy: service.pool.totalCount - service.pool.idleCount,
  }),
);
process.exit(0);
