"""Python's gql: queries and mutations over HTTP by httpx, subscriptions over a socket by websockets.

The plan is the argument, what came of it the one line of output.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import aclosing
from typing import Any

from gql import Client, GraphQLRequest
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport


async def main(plan: dict[str, Any]) -> None:
    documents = plan["documents"]
    async with Client(transport=HTTPXAsyncTransport(plan["http"])) as stranger:
        answer = await stranger.execute(GraphQLRequest(documents["login"], variable_values=plan["credentials"]))
    headers = {"Authorization": f"Bearer {answer['login']['token']}"}
    over_socket = WebsocketsTransport(plan["socket"], init_payload=headers, subprotocols=plan["protocols"])
    async with (
        Client(transport=HTTPXAsyncTransport(plan["http"], headers=headers)) as http,
        Client(transport=over_socket) as socket,
    ):
        request = GraphQLRequest(documents["create"], variable_values={"input": plan["input"]})
        created = (await http.execute(request))["createMachine"]

        progress = GraphQLRequest(documents["progress"], variable_values={"id": created["operation"]["id"]})
        states = [data["operationProgress"]["state"] async for data in socket.subscribe(progress)]
        request = GraphQLRequest(documents["machine"], variable_values={"id": created["id"]})
        machine = (await http.execute(request))["machine"]

        events = []
        request = GraphQLRequest(documents["events"], variable_values={"id": created["id"]})
        async with aclosing(socket.subscribe(request)) as stream:
            async for data in stream:
                events.append(data["machineEvents"]["seq"])
                if data["machineEvents"]["data"].get("status") == "running":
                    break

        refusal = None
        try:
            await socket.execute(GraphQLRequest(documents["progress"], variable_values={"id": plan["absent"]}))
        except TransportQueryError as error:
            refusal = (error.errors or [])[0]["extensions"]["code"]
    told = {"id": created["id"], "states": states, "status": machine["status"], "events": events, "refusal": refusal}
    print(json.dumps(told))  # noqa: T201 - that is what it is for


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
