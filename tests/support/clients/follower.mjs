// Follows all events from the first one on, however often the connection breaks: ADDRESS TOKEN. It prints the number of
// each. It comes back as docs/api.md has it, without pauses.
import { setTimeout as pause } from "node:timers/promises";
import { createClient } from "graphql-ws";

const [url, authorization] = process.argv.slice(2);
const client = createClient({
  url,
  connectionParams: { authorization },
  shouldRetry: () => true,
  retryAttempts: Infinity,
  retryWait: () => pause(50),
});

let seen = "0";
async function follow() {
  const events = client.iterate({
    query: "subscription ($after: BigInt) { machineEvents(afterSeq: $after) { seq } }",
    variables: { get after() { return seen; } },
  });
  for await (const { data } of events) {
    seen = data.machineEvents.seq;
    console.log(seen);
  }
}

for (;;) {
  await follow().catch((errors) => {
    // The database was away when the stream was to begin.
    if (errors[0]?.extensions.code !== "UNAVAILABLE") throw errors;
  });
  await pause(50);
}
