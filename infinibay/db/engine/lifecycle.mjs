// When the process ends.

const PARENT_CHECK_MS = 1000;
const LAST_REQUESTS_MS = 3000;

/** Ends with the signals of the client and with the parent, after the requests that run. */
export function endWithParent(server, service) {
  let ending = false;
  const end = async () => {
    if (ending) return;
    ending = true;
    setTimeout(() => process.exit(0), LAST_REQUESTS_MS).unref();
    server.close();
    server.closeIdleConnections?.();
    await idle(service.metrics);
    await service.stop();
    process.exit(0);
  };
  process.on("SIGINT", end);
  process.on("SIGTERM", end);
  // A parent that is killed has no time to end us, and its orphan would keep connections to the database. Who started
  // us may have died while we started, so a parent that can tells its id.
  const parent = Number(process.env.INFINIBAY_ENGINE_PARENT ?? process.ppid);
  setInterval(() => process.ppid !== parent && end(), PARENT_CHECK_MS).unref();
}

/** A panic of the engine is thrown outside of the request that caused it. */
export function surviveEngine(service) {
  process.on("uncaughtException", (error) => {
    if (!(error instanceof WebAssembly.RuntimeError)) {
      process.stderr.write(`query engine: ${error?.stack ?? error}\n`);
      process.exit(70);
    }
    service.replaceEngine();
  });
}

async function idle(metrics) {
  while (metrics.active > 0) await new Promise((resolve) => setTimeout(resolve, 10));
}
