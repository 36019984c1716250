// Prisma's query engine for PostgreSQL without a native binary: its WebAssembly build behind the native engine's
// command line, `-p PORT`, or behind our own Unix socket, `--socket PATH`.

import { readFileSync, renameSync } from "node:fs";
import { parseArgs } from "node:util";

import { httpServer } from "./http_server.mjs";
import { endWithParent, surviveEngine } from "./lifecycle.mjs";
import { Service } from "./service.mjs";
import { socketServer } from "./socket_server.mjs";

const { values: options } = parseArgs({
  options: {
    port: { type: "string", short: "p" },
    socket: { type: "string" },
    "enable-metrics": { type: "boolean" },
    "enable-raw-queries": { type: "boolean" },
    "enable-playground": { type: "boolean" },
  },
});

const datamodel = readFileSync(process.env.PRISMA_DML_PATH, "utf8");
const log = process.env.LOG_QUERIES ? (entry) => process.stdout.write(`${entry}\n`) : null;
const service = new Service(datamodel, process.env, log);
await service.start();
surviveEngine(service);

const server = options.socket === undefined ? httpServer(service) : socketServer(service);
endWithParent(server, service);
if (options.socket === undefined) {
  server.listen(Number(options.port), "127.0.0.1");
} else {
  process.umask(0o177); // The socket's mode is 0600 from its first moment.
  // It gets its name when it answers: a bound socket that does not listen yet refuses whoever sees its file.
  const unready = `${options.socket}~`;
  server.listen(unready, () => renameSync(unready, options.socket));
}
