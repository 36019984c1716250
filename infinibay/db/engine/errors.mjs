// The errors of the engine and of the driver, in the form that the native engine gives them.

/** A failure with one of Prisma's codes. */
export class PrismaError extends Error {
  constructor(code, message, meta = {}) {
    super(message);
    this.code = code;
    this.meta = meta;
  }
}

// Postgres' states that say the database is not to be had, whatever the statement was.
const UNAVAILABLE_STATES = new Map([
  ["28P01", "P1000"], ["28000", "P1000"], ["3D000", "P1003"], ["53300", "P2037"],
  ["57P01", "P1017"], ["57P02", "P1017"], ["57P03", "P1001"], ["08000", "P1017"],
  ["08001", "P1001"], ["08003", "P1017"], ["08004", "P1001"], ["08006", "P1017"],
]);
const UNREACHABLE = new Set(["ECONNREFUSED", "ENOENT", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT", "EACCES"]);
const GONE = /terminated|ECONNRESET|EPIPE|not queryable|has encountered a connection error|was closed|Connection ended/;

/** Whether the driver's error comes from the server and concerns the statement, not the connection. */
export function isStatementError(error) {
  const fromServer = typeof error?.code === "string" && typeof error.severity === "string";
  return fromServer && !UNAVAILABLE_STATES.has(error.code);
}

/** The driver's error about a connection as one with Prisma's code. */
export function connectionError(error, where) {
  if (error instanceof PrismaError) return error;
  const text = String(error?.message ?? error);
  const state = UNAVAILABLE_STATES.get(error?.code);
  if (state) return new PrismaError(state, text);
  if (/timeout exceeded when trying to connect/.test(text)) {
    return new PrismaError("P2024", "Timed out fetching a new connection from the connection pool.");
  }
  const codes = [error?.code, ...(error?.errors ?? []).map((inner) => inner.code)];
  if (codes.some((code) => UNREACHABLE.has(code)) || /connection timeout|timeout expired/.test(text)) {
    return new PrismaError("P1001", `Can't reach database server at \`${where}\``);
  }
  if (GONE.test(`${text} ${error?.code}`)) return new PrismaError("P1017", "Server has closed the connection.");
  return new PrismaError("P2036", text);
}

/** The answer's body for one failure. */
export function failure(error) {
  return JSON.stringify({ errors: [failureEntry(error)] });
}

function failureEntry(error) {
  if (error instanceof PrismaError) return entry(error.message, error.code, error.message, error.meta);
  if (error instanceof SyntaxError) return entry(error.message, "P2009", `Failed to parse the query: ${error.message}`);
  const engine = parsedMessage(error);
  if (engine?.error_code) return entry(engine.message, engine.error_code, engine.message, engine.meta, engine.is_panic);
  return { error: String(error?.message ?? error), user_facing_error: { is_panic: false, message: String(error?.message ?? error) } };
}

function entry(text, code, message, meta = {}, panic = false) {
  return { error: text, user_facing_error: { is_panic: panic, message, meta: meta ?? {}, error_code: code } };
}

/** The engine throws errors whose message is JSON. */
function parsedMessage(error) {
  try {
    return JSON.parse(error.message);
  } catch {
    return null;
  }
}

/**
 * The engine's own answer with the driver's errors put in place of their numbers, and with the errors inside a
 * batch's results raised to the top, where the client looks.
 */
export function completeErrors(text, driverErrors) {
  if (!text.startsWith('{"errors":') && !text.includes('"errors":[{"error":')) return text;
  const body = JSON.parse(text);
  const nested = Array.isArray(body.batchResult) ? body.batchResult.flatMap((result) => result.errors ?? []) : [];
  const errors = [...(body.errors ?? []), ...nested];
  if (errors.length === 0) return text;
  return JSON.stringify({ errors: errors.map((error) => original(error, driverErrors)) });
}

function original(error, driverErrors) {
  const facing = error.user_facing_error;
  const kept = facing?.error_code === "P2036" ? driverErrors.take(facing.meta?.id) : undefined;
  return kept === undefined ? error : failureEntry(kept);
}
