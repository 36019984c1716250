// Prisma's connection URL as options of the driver's pool, which would ignore Prisma's parameters.

import { createRequire } from "node:module";
import { availableParallelism } from "node:os";

const { parse } = createRequire(import.meta.url)("pg-connection-string");

const DRIVER_PARAMETERS = ["application_name", "host", "port", "user", "password"];
const IDLE_CONNECTION_MS = 300_000;

/**
 * `{ pool, connectTimeoutMs, schema, where }`: the pool's options, the time limit for one connection, the schema of
 * the tables and the server's name for messages. Throws Error for a URL that cannot be read.
 */
export function poolOptions(url) {
  const parameters = queryParameters(url);
  const config = parse(bareUrl(url, parameters));
  const schema = parameters.get("schema") ?? undefined;
  const pool = {
    host: config.host || undefined,
    port: config.port ? Number(config.port) : undefined,
    user: config.user || undefined,
    password: config.password || undefined,
    database: config.database || undefined,
    application_name: parameters.get("application_name") ?? undefined,
    options: startOptions(parameters.get("options"), schema),
    ssl: tls(parameters),
    max: seconds(parameters, "connection_limit") ?? 2 * availableParallelism() + 1,
    connectionTimeoutMillis: 1000 * (seconds(parameters, "pool_timeout") ?? 10),
    idleTimeoutMillis: IDLE_CONNECTION_MS,
    query_timeout: seconds(parameters, "socket_timeout") ? 1000 * seconds(parameters, "socket_timeout") : undefined,
  };
  return {
    pool,
    schema,
    connectTimeoutMs: 1000 * (seconds(parameters, "connect_timeout") ?? 5),
    where: `${pool.host ?? "localhost"}:${pool.port ?? 5432}`,
  };
}

function queryParameters(url) {
  const mark = url.indexOf("?");
  return new URLSearchParams(mark < 0 ? "" : url.slice(mark + 1));
}

function bareUrl(url, parameters) {
  const kept = new URLSearchParams([...parameters].filter(([name]) => DRIVER_PARAMETERS.includes(name)));
  const base = url.split("?", 1)[0];
  return kept.size > 0 ? `${base}?${kept}` : base;
}

/** The engine reads and writes times without an offset, so that each session must be in UTC. */
function startOptions(given, schema) {
  const path = schema === undefined ? "" : ` -c search_path=${escaped(`"${schema.replaceAll('"', '""')}"`)}`;
  return `${given ?? ""}${path} -c TimeZone=UTC`.trim();
}

function escaped(value) {
  return value.replace(/[\\\s]/g, (character) => `\\${character}`);
}

function tls(parameters) {
  const mode = parameters.get("sslmode");
  if (mode === null || mode === "disable" || mode === "allow" || mode === "prefer") return undefined;
  const strict = mode.startsWith("verify") || parameters.get("sslaccept") === "strict";
  return { rejectUnauthorized: strict };
}

function seconds(parameters, name) {
  const text = parameters.get(name);
  if (text === null) return undefined;
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0) throw new Error(`${name} must be a whole number, not ${text}`);
  return number;
}
