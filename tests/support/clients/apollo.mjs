// Apollo Client: queries and mutations over HTTP, subscriptions over a socket, as its own pages have it. The plan is the
// argument, what came of it the one line of output.
import { ApolloClient, ApolloLink, CombinedGraphQLErrors, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { createClient } from "graphql-ws";
import { lastValueFrom, map, takeWhile, toArray } from "rxjs";

const plan = JSON.parse(process.argv[2]);
const documents = Object.fromEntries(Object.entries(plan.documents).map(([name, text]) => [name, gql(text)]));

function connect(token) {
  const authorization = token && `Bearer ${token}`;
  const socket = createClient({ url: plan.socket, connectionParams: { authorization } });
  const http = new HttpLink({ uri: plan.http, headers: authorization ? { authorization } : {} });
  const link = ApolloLink.split(({ operationType }) => operationType === "subscription", new GraphQLWsLink(socket), http);
  return { client: new ApolloClient({ link, cache: new InMemoryCache() }), socket };
}

function watched(client, query, variables, goesOn = () => true) {
  const results = client.subscribe({ query, variables }).pipe(
    map(({ data, error }) => {
      if (error) throw error;
      return Object.values(data).find((value) => typeof value === "object");
    }),
    takeWhile(goesOn, true),
    toArray(),
  );
  return lastValueFrom(results);
}

const { data: opened } = await connect().client.mutate({ mutation: documents.login, variables: plan.credentials });
const { client, socket } = connect(opened.login.token);
const { data: made } = await client.mutate({ mutation: documents.create, variables: { input: plan.input } });
const created = made.createMachine;

const progress = await watched(client, documents.progress, { id: created.operation.id });
const { data: seen } = await client.query({
  query: documents.machine,
  variables: { id: created.id },
  fetchPolicy: "network-only",
});
const events = await watched(client, documents.events, { id: created.id }, ({ data }) => data.status !== "running");
const refusal = await watched(client, documents.progress, { id: plan.absent }).catch((error) => {
  if (!CombinedGraphQLErrors.is(error)) throw error;
  return error.errors[0].extensions.code;
});
client.stop();
await socket.dispose();
console.log(
  JSON.stringify({
    id: created.id,
    states: progress.map(({ state }) => state),
    status: seen.machine.status,
    events: events.map(({ seq }) => seq),
    refusal,
  }),
);
