// Our own interface: many requests at once over one connection to a Unix socket.

import { createServer } from "node:net";

import { FrameReader, frame } from "./frames.mjs";

/** A server that is not listening yet. */
export function socketServer(service) {
  return createServer((connection) => {
    const reader = new FrameReader();
    connection.on("error", () => connection.destroy()); // The other side is gone; its transactions run out.
    connection.on("data", (chunk) => {
      for (const [number, text] of reader.push(chunk)) reply(service, connection, number, text);
    });
  });
}

async function reply(service, connection, number, text) {
  const line = text.indexOf("\n");
  const body = await perform(service, JSON.parse(text.slice(0, line)), text.slice(line + 1));
  if (connection.writable) connection.write(frame(number, body));
}

function perform(service, { do: verb, id, format }, body) {
  switch (verb) {
    case "query":
      return service.query(body, id);
    case "start":
      return service.startTransaction(body);
    case "commit":
      return service.commitTransaction(id);
    case "rollback":
      return service.rollbackTransaction(id);
    case "metrics":
      return service.metricsText(format, body);
    default:
      throw new Error(`Unknown request ${verb}`);
  }
}
