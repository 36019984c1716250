// The native engine's HTTP interface.

import { createServer } from "node:http";

const STATUS = '{"status":"ok"}';

/** A server that is not listening yet. */
export function httpServer(service) {
  const server = createServer((request, response) => {
    answer(service, request).then(
      ([status, type, body]) => send(response, status, type, body),
      (error) => send(response, 500, "text/plain", String(error.message)),
    );
  });
  // The client keeps connections for longer than Node would, and queries take as long as they take.
  server.keepAliveTimeout = 0;
  server.requestTimeout = 0;
  server.headersTimeout = 0;
  return server;
}

async function answer(service, request) {
  const { pathname, searchParams } = new URL(request.url, "http://engine");
  const body = await text(request);
  const json = (value) => [200, "application/json", value];
  if (request.method === "GET") {
    if (pathname === "/status" || pathname === "/") return json(STATUS);
    if (pathname === "/metrics") return metrics(service, searchParams.get("format") ?? "json", body);
  } else if (request.method === "POST") {
    if (pathname === "/") return json(await service.query(body, request.headers["x-transaction-id"]));
    if (pathname === "/transaction/start") return json(await service.startTransaction(body));
    const [, id, verb] = /^\/transaction\/([^/]+)\/(commit|rollback)$/.exec(pathname) ?? [];
    if (verb === "commit") return json(await service.commitTransaction(id));
    if (verb === "rollback") return json(await service.rollbackTransaction(id));
  }
  return [404, "text/plain", "Not found"];
}

function metrics(service, format, labels) {
  const type = format === "prometheus" ? "text/plain; version=0.0.4" : "application/json";
  return [200, type, service.metricsText(format, labels)];
}

async function text(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function send(response, status, type, body) {
  const bytes = Buffer.from(body);
  response.writeHead(status, { "content-type": type, "content-length": bytes.length }).end(bytes);
}
