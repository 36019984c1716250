"""The product as its own process, with a base directory, pool and port of its own, asked over HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from infinibay.db.embedded import EmbeddedPostgres
from infinibay.settings import load
from tests.support.wait import until

ROOT = Path(__file__).parents[2]
PASSWORD = "correct horse battery"
EMAIL = "admin@example.com"
_START_SECONDS = 60

LOGIN = """
mutation Login($email: String!, $password: String!) { login(email: $email, password: $password) { token } }
"""
CREATE = """
mutation Create($input: CreateMachineInputType!, $key: String) {
  createMachine(input: $input, idempotencyKey: $key) { id status operation { id } department { id } }
}
"""
MACHINE = """
query Machine($id: String!) {
  machine(id: $id) {
    id name status configuration failure { step code message remedy log } operation { id kind state }
  }
}
"""
OPERATION = "query Operation($id: ID!) { operation(id: $id) { id kind state step failure { step code message log } } }"
SMALL: dict[str, Any] = {
    "os": "UBUNTU",
    "username": "user",
    "password": "secret password",
    # Nobody has to answer an installer, where the guest is no installer.
    "mediaMode": "MANUAL",
    "customCores": 1,
    "customRam": 1,
    "customStorage": 1,
    "applications": [],
    "firstBootScripts": [],
}
MACHINES = "{ machines { id name status failure { message } } }"


class Product:
    """Starts, kills and restarts the server; what it writes lies below `base`, which QEMU's account may pass.

    `departments` holds the ids of those whose machines have filters in the hypervisor.
    """

    def __init__(self, iso: Path, parent: str = "/var/lib/libvirt", **settings: str) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="ib-", dir=parent))
        self.base.chmod(0o755)
        self.pool = self.base.name
        (self.base / "iso").mkdir()
        # Each machine starts from the same file, so libvirt must not be kept from reading it.
        shutil.copy(iso, self.base / "iso" / "ubuntu.iso")
        self.settings = {
            "INFINIBAY_BASE_DIR": str(self.base),
            "INFINIBAY_STORAGE_POOL_NAME": self.pool,
            "DEFAULT_ADMIN_EMAIL": EMAIL,
            "DEFAULT_ADMIN_PASSWORD": PASSWORD,
            "INFINIBAY_DOMAIN_TYPE": "qemu",
            "PORT": "0",
            **settings,
        }
        self.log = self.base / "server.log"
        self.url = ""
        self.process: subprocess.Popen[bytes] | None = None
        self._client: httpx.AsyncClient | None = None
        self._token: str | None = None
        self.departments: set[str] = set()

    @property
    def database_url(self) -> str:
        """The URL of the server's embedded PostgreSQL."""
        return EmbeddedPostgres.of(load(self.settings)).url

    async def start(self, *, fault: str = "", role: str = "all") -> None:
        """Starts the server and returns when it is ready. `fault` is `kind:step:phase`, where it kills itself, or with
        `:hold` waits for the file `go`.

        One that still runs, since a test failed before it ended it, is killed.
        """
        self._end()
        offset = self.log.stat().st_size if self.log.exists() else 0
        self.process = self._launch(role, fault)
        self.url = await until(lambda: self._url(offset), _START_SECONDS, "the server's start")
        if self._client is not None:
            await self._client.aclose()
        self._client = httpx.AsyncClient(base_url=self.url, timeout=180)

    def _launch(self, role: str, fault: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **self.settings, "INFINIBAY_TEST_FAULT": fault}
        command = [sys.executable, "-m", "tests.support.faulty_server", role]
        with self.log.open("ab") as output:
            return subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL
            )

    def _url(self, offset: int) -> str | None:
        text = self.log.read_bytes()[offset:].decode()
        found = re.search(r'"url": "(http://[^"]+)/graphql"', text)
        if found is None and self.process is not None and self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}:\n{text}")
        return found[1] if found else None

    async def start_and_die(self, fault: str) -> None:
        """Starts the server, which takes up what was begun and kills itself at the fault point, ready or not."""
        self.process = self._launch("all", fault)
        await self.died()

    async def died(self, seconds: float = 60) -> None:
        """Waits until the server killed itself at its fault point."""
        assert self.process is not None
        code = await until(self.process.poll, seconds, "the server's death at its fault point")
        assert code == -signal.SIGKILL

    async def kill(self) -> None:
        """`kill -9`."""
        assert self.process is not None
        self.process.kill()
        await until(lambda: self.process is None or self.process.poll() is not None)

    async def stop(self) -> int:
        """Ctrl-C; the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        await until(lambda: self.process is None or self.process.poll() is not None, 30, "the server's end")
        return int(self.process.returncode)

    async def post(self, query: str, variables: Mapping[str, Any] | None = None, token: str | None = None) -> Any:
        """The JSON answer to a query, by the administrator unless another token is given."""
        return (await self.request(query, variables, token)).json()

    async def request(
        self, query: str, variables: Mapping[str, Any] | None = None, token: str | None = None
    ) -> httpx.Response:
        """The same as it came."""
        assert self._client is not None
        if token is None:
            token = self._token = self._token or await self.login(EMAIL, PASSWORD)
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return await self._client.post(
            "/graphql", json={"query": query, "variables": dict(variables or {})}, headers=headers
        )

    async def ask(self, query: str, variables: Mapping[str, Any] | None = None, token: str | None = None) -> Any:
        """The data of a query that has no errors."""
        answer = await self.post(query, variables, token)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    async def get(self, path: str) -> httpx.Response:
        assert self._client is not None
        return await self._client.get(path)

    async def login(self, email: str, password: str) -> str:
        """A token."""
        assert self._client is not None
        variables = {"email": email, "password": password}
        answer = await self._client.post("/graphql", json={"query": LOGIN, "variables": variables})
        return str(answer.json()["data"]["login"]["token"])

    async def create(self, name: str, key: str | None = None, **changes: Any) -> dict[str, Any]:
        """Creates a small machine; its id, status and operation."""
        wanted = {**SMALL, "name": name, **changes}
        created: dict[str, Any] = (await self.ask(CREATE, {"input": wanted, "key": key}))["createMachine"]
        self.departments.add(created["department"]["id"])
        return created

    async def knows_its_media(self) -> None:
        """Waits until every medium was read as a whole, after which nothing about it changes by itself."""

        async def read() -> bool:
            found = (await self.ask("{ allISOs { checksum } }"))["allISOs"]
            return all(one["checksum"] for one in found)

        await until(read, 60, "the checksums of all media")

    async def ended(self, operation_id: str, seconds: float = 90) -> dict[str, Any]:
        """The operation, once it has ended."""

        async def look() -> dict[str, Any] | None:
            found: dict[str, Any] = (await self.ask(OPERATION, {"id": operation_id}))["operation"]
            return found if found["state"] in {"SUCCEEDED", "FAILED", "CANCELLED"} else None

        return await until(look, seconds, f"the end of operation {operation_id}")

    async def machine(self, machine_id: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = (await self.ask(MACHINE, {"id": machine_id}))["machine"]
        return found

    async def verb(self, name: str, machine_id: str, arguments: str = "") -> dict[str, Any]:
        """The outcome of a verb: success and message."""
        query = f'mutation {{ {name}(id: "{machine_id}"{arguments}) {{ success message }} }}'
        outcome: dict[str, Any] = (await self.ask(query))[name]
        return outcome

    def virsh(self, *arguments: str) -> str:
        """The output of virsh on the hypervisor that the server uses; empty when it fails."""
        uri = self.settings.get("LIBVIRT_URI", "qemu:///system")
        done = subprocess.run(["virsh", "-c", uri, *arguments], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    def held(self) -> dict[str, list[str]]:
        """What exists outside the database of all machines: domains, volumes and directories, by machine id."""
        disks = Path(self.settings.get("INFINIBAY_STORAGE_POOL_PATH", self.base / "disks"))
        volumes = [path.name.removesuffix("-main.qcow2") for path in disks.iterdir()] if disks.is_dir() else []
        return {
            "domains": self.domains("--all"),
            "volumes": sorted(volumes),
            "directories": sorted(path.name for path in (self.base / "machines").iterdir()),
        }

    def domains(self, *options: str) -> list[str]:
        """The ids of this product's domains: those that run, or others that the options of `virsh list` name."""
        return sorted(one for one in self.virsh("list", *options, "--uuid").split() if self.is_ours(one))

    def is_ours(self, domain: str) -> bool:
        """Whether a domain, by its id or name, has files of this product."""
        return str(self.base) in self.virsh("dumpxml", domain)

    def leftovers(self, machine_id: str) -> list[str]:
        """Everything outside the database that still belongs to a machine."""
        found = [line for line in self.virsh("list", "--all", "--uuid").split() if line == machine_id]
        filters = [*self.virsh("nwfilter-list").split(), *self.virsh("nwfilter-binding-list").split()]
        found += [name for name in filters if name == f"ibay-vm-{machine_id.replace('-', '')}"]
        places = (self.base, Path("/var/lib/libvirt/swtpm"), Path("/var/lib/libvirt/qemu/nvram"))
        for place in places:
            # Unlike `rglob` it goes on when another machine's directory vanishes meanwhile.
            for directory, folders, files in os.walk(place):
                found += [str(Path(directory, name)) for name in (*folders, *files) if machine_id in name]
        found += [name for name in self.virsh("vol-list", self.pool).split() if machine_id in name]
        return sorted(set(found))

    async def close(self) -> None:
        """Kills the server and removes everything that it made, whatever state it is in."""
        self._end()
        if self._client is not None:
            await self._client.aclose()
        machines = {path.name for path in (self.base / "machines").glob("*")}
        for domain in self.virsh("list", "--all", "--uuid").split():
            if self.is_ours(domain):
                machines.add(domain)
                self.virsh("destroy", domain)
                self.virsh("undefine", domain, "--nvram", "--managed-save", "--snapshots-metadata")
        # Only the own ones: another test may be about to start a machine with its filter.
        for machine_id in machines:
            self.virsh("nwfilter-undefine", f"ibay-vm-{machine_id.replace('-', '')}")
        for department_id in self.departments:
            self.virsh("nwfilter-undefine", f"ibay-department-{department_id.replace('-', '')}")
        self.virsh("pool-destroy", self.pool)
        self.virsh("pool-undefine", self.pool)
        await asyncio.to_thread(shutil.rmtree, self.base, ignore_errors=True)

    def _end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def secrets_in_log(self, *secrets: str) -> list[str]:
        """Which of the texts the server wrote into its log."""
        text = self.log.read_text()
        return [secret for secret in secrets if secret in text or json.dumps(secret)[1:-1] in text]
