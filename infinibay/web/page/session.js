// Who is logged in. The token lies in sessionStorage: this tab has it, and nothing after it is closed.

import { useSyncExternalStore } from "react";

const KEY = "infinibay:token";
const ENDPOINT = location.pathname;
const LOGIN = `mutation ($email: String!, $password: String!) {
  login(email: $email, password: $password) { token user { email role } }
}`;
const listeners = new Set();

// `user` is null while it is unknown; `note` is a sentence for the person, or "".
let session = { token: sessionStorage.getItem(KEY), user: null, note: "" };

export const token = () => session.token;

export function useSession() {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => session,
  );
}

export async function login(email, password) {
  const result = await post({ query: LOGIN, variables: { email, password } });
  const answer = result.data?.login;
  if (answer) {
    change({ ...answer, note: "" });
  } else {
    change({ note: sentenceOf(result) });
  }
  return Boolean(answer);
}

// The page starts anew afterwards: nothing that was typed or answered is left for the next person.
export async function logout() {
  const result = await post({ query: "mutation { logout }" });
  if (result.errors && session.token) {
    change({ note: sentenceOf(result) });
    return;
  }
  change({ token: null, user: null });
  location.reload();
}

// Asks who the token of an earlier load belongs to.
export async function recall() {
  if (session.token) {
    const result = await post({ query: "{ currentUser { email role } }" });
    change(result.data?.currentUser ? { user: result.data.currentUser } : { note: sentenceOf(result) });
  }
}

// The answer to a request, in GraphQL's shape even when the server is not there.
export async function post(request) {
  const sent = session.token;
  const headers = { "Content-Type": "application/json", Accept: "application/json" };
  if (sent) {
    headers.Authorization = `Bearer ${sent}`;
  }
  try {
    const answer = await fetch(ENDPOINT, { method: "POST", headers, body: JSON.stringify(request) });
    return noticed(await answer.json(), sent);
  } catch {
    return { errors: [{ message: "The server does not answer. Is it running?" }] };
  }
}

// Passes a result on; one that refuses the token ends the session here, too.
export function noticed(result, sent) {
  if (sent && sent === session.token && result.errors?.some((one) => one.extensions?.code === "UNAUTHENTICATED")) {
    change({ token: null, user: null, note: "Your session has ended. Log in again." });
  }
  return result;
}

function change(changes) {
  session = { ...session, ...changes };
  if (session.token) {
    sessionStorage.setItem(KEY, session.token);
  } else {
    sessionStorage.removeItem(KEY);
  }
  listeners.forEach((listener) => listener());
}

const sentenceOf = (result) => result.errors?.[0]?.message ?? "The server gave no reason.";
