// Carries GraphiQL's requests: subscriptions over a WebSocket, the rest by POST.

import { Kind, parse } from "graphql";
import { createClient } from "graphql-ws";

import { learn } from "./examples.jsx";
import { noticed, post, token } from "./session.js";

// Connects for the first subscription and leaves with the last, so each one goes with the token of its moment.
const socket = createClient({
  url: location.href.replace(/^http/, "ws").replace(/[?#].*$/, ""),
  connectionParams: () => (token() ? { authorization: `Bearer ${token()}` } : {}),
});

export function fetcher(request) {
  const operations = operationsOf(request.query);
  const chosen = operations.find(({ name }) => name?.value === request.operationName) ?? operations[0];
  // GraphiQL notices a new text a moment late: its name of the operation may still be that of the text before.
  const meant = operations.length === 1 ? { ...request, operationName: chosen.name?.value } : request;
  return chosen?.operation === "subscription" ? watched(meant) : asked(meant);
}

async function asked(request) {
  const result = await post(request);
  learn(result);
  return result;
}

const watched = (request) => ({
  subscribe(observer) {
    const sent = token();
    const unsubscribe = socket.subscribe(request, {
      next: (result) => observer.next(noticed(result, sent)),
      error: (reason) => observer.error(explained(reason, sent)),
      complete: () => observer.complete(),
    });
    return { unsubscribe };
  },
});

function operationsOf(query) {
  try {
    return parse(query).definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION);
  } catch {
    return []; // The server says what is wrong with it.
  }
}

// A refusal comes as GraphQL's errors, the end of the connection as an event without a sentence.
function explained(reason, sent) {
  if (Array.isArray(reason)) {
    noticed({ errors: reason }, sent);
  }
  return reason instanceof CloseEvent
    ? new Error(`The connection was closed: ${reason.reason || "the server does not answer"} (${reason.code})`)
    : reason;
}
