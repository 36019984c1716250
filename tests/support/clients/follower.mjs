// Follows all events from the first one on as docs/api.md has it, however often the connection breaks: ADDRESS TOKEN.
// It prints the number of each, and tries to come back without pauses.
import { createClient } from "graphql-ws";

const [url, authorization] = process.argv.slice(2);
const client = createClient({
  url,
  connectionParams: { authorization },
  shouldRetry: () => true,
  retryAttempts: Infinity,
  retryWait: () => new Promise((done) => setTimeout(done, 50)),
});

let seen = "0";
const events = client.iterate({
  query: "subscription ($after: BigInt) { machineEvents(afterSeq: $after) { seq } }",
  variables: { get after() { return seen; } },
});
for await (const { data } of events) {
  seen = data.machineEvents.seq;
  console.log(seen);
}
