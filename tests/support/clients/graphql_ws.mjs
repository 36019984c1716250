// npm graphql-ws, everything over sockets. The plan is the argument, what came of it the one line of output.
import { createClient } from "graphql-ws";

const plan = JSON.parse(process.argv[2]);
const { documents } = plan;

function connect(token) {
  return createClient({ url: plan.socket, connectionParams: token && { authorization: `Bearer ${token}` } });
}

async function ask(client, query, variables) {
  for await (const { data, errors } of client.iterate({ query, variables })) {
    if (errors) throw new Error(JSON.stringify(errors));
    return data;
  }
}

const stranger = connect();
const { login } = await ask(stranger, documents.login, plan.credentials);
await stranger.dispose();

const client = connect(login.token);
const { createMachine: created } = await ask(client, documents.create, { input: plan.input });

const states = [];
for await (const { data } of client.iterate({ query: documents.progress, variables: { id: created.operation.id } })) {
  states.push(data.operationProgress.state);
}
const { machine } = await ask(client, documents.machine, { id: created.id });

const events = [];
for await (const { data } of client.iterate({ query: documents.events, variables: { id: created.id } })) {
  events.push(data.machineEvents.seq);
  if (data.machineEvents.data.status === "running") break;
}

let refusal;
try {
  await ask(client, documents.progress, { id: plan.absent });
} catch (error) {
  refusal = (Array.isArray(error) ? error : JSON.parse(error.message))[0].extensions.code;
}
await client.dispose();
console.log(JSON.stringify({ id: created.id, states, status: machine.status, events, refusal }));
