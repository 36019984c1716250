// Carries GraphiQL's requests: subscriptions over a WebSocket, the rest by POST.

import { getOperationAST, parse } from "graphql";
import { createClient } from "graphql-ws";

import { learn } from "./examples.jsx";
import { noticed, post, token } from "./session.js";

// Connects for the first subscription and leaves with the last, so each one goes with the token of its moment.
const socket = createClient({
  url: location.href.replace(/^http/, "ws").replace(/[?#].*$/, ""),
  connectionParams: () => (token() ? { authorization: `Bearer ${token()}` } : {}),
});

export function fetcher(request) {
  return kindOf(request) === "subscription" ? watched(request) : asked(request);
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

function kindOf({ query, operationName }) {
  try {
    return getOperationAST(parse(query), operationName)?.operation;
  } catch {
    return undefined; // The server says what is wrong with it.
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
