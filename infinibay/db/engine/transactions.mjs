// Interactive transactions.

import { PrismaError, completeErrors } from "./errors.mjs";

const ID = /^c[0-9a-z]{24}$/;

/** Refuses what is no transaction id: the engine would panic. */
export function checkedId(id) {
  if (!ID.test(id)) {
    throw new PrismaError(
      "P2028",
      "Transaction API error: Transaction not found. Transaction ID is invalid, refers to an old closed transaction " +
        "Prisma doesn't have information about anymore, or was obtained before disconnecting.",
    );
  }
  return id;
}

/**
 * Starts a transaction and answers `{"id":…}`. `options` are `timeout`, `max_wait` (ms) and perhaps `isolation_level`.
 *
 * The engine itself ignores `max_wait`. A transaction that gets its connection too late is rolled back at once.
 */
export async function startTransaction(engine, errors, options) {
  const started = engine.startTransaction(options);
  let timer;
  const limit = new Promise((resolve) => (timer = setTimeout(resolve, options.max_wait ?? 2000, null)));
  const answer = await Promise.race([started, limit]).finally(() => clearTimeout(timer));
  if (answer !== null) return completeAnswer(answer, errors);
  started.then((text) => rollBackLate(engine, text)).catch(() => {}); // Its asker has had an answer already.
  throw new PrismaError("P2028", "Transaction API error: Unable to start a transaction in the given time.");
}

async function rollBackLate(engine, text) {
  const { id } = JSON.parse(text);
  if (id !== undefined) await engine.rollbackTransaction(id);
}

/** Commits or rolls back, by the engine's method of that name, and answers `{}`. */
export async function endTransaction(engine, errors, method, id) {
  return completeAnswer(await engine[method](checkedId(id)), errors);
}

/** The engine gives errors of transactions, a failed commit's too, as if they were ordinary answers. */
function completeAnswer(text, errors) {
  const answer = JSON.parse(text);
  if (answer.error_code === undefined) return text;
  return completeErrors(JSON.stringify({ errors: [{ error: answer.meta?.error ?? answer.message, user_facing_error: answer }] }), errors);
}
