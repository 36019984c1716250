"""Proxies with TLS before a server, configured by a block of docs/, at the port and under the name that it says."""

from __future__ import annotations

import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.documents import ROOT, adapted
from tests.support.packages import run, unpack
from tests.support.wait import until_sync

NAME = "infinibay.example.com"
# Of this machine alone, and hardly anybody else's: the port is the one that the blocks say.
ADDRESS = "127.0.0.3"
_SERVER = "127.0.0.1:4000"
_CACHE = ROOT / ".cache" / "proxies"
_NGINX = """\
daemon off;
user root;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/proxied;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{block}
}}
"""
# The certificate is made here, since nobody else vouches for the name.
_CADDY = """\
{{
	admin off
	local_certs
	skip_install_trust
	default_bind {address}
	storage file_system {folder}
}}
{block}
"""


@dataclass(frozen=True)
class Proxy:
    """One that runs; `trust` believes its certificate alone."""

    trust: ssl.SSLContext

    def client(self, caller: str = "127.0.0.1") -> httpx.Client:
        """A client at another address of this machine."""

        def call_by_name(request: httpx.Request) -> None:
            request.extensions["sni_hostname"] = NAME

        return httpx.Client(
            transport=httpx.HTTPTransport(verify=self.trust, local_address=caller),
            base_url=f"https://{ADDRESS}",
            headers={"host": NAME},
            event_hooks={"request": [call_by_name]},
            timeout=60,
        )


@contextmanager
def nginx(block: str, server: str) -> Iterator[Proxy]:
    """With the block in its `http` block, before the server at host and port."""
    with _folder() as folder:
        certificate, key = folder / "infinibay.pem", folder / "infinibay.key"
        names = ("-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}")
        new = ("-newkey", "rsa:2048", "-nodes", "-days", "1", "-keyout", key, "-out", certificate)
        run("openssl", "req", "-x509", *new, *names, cwd=folder)
        changes = {
            "listen 443": f"listen {ADDRESS}:443",
            "/etc/ssl/infinibay.pem": str(certificate),
            "/etc/ssl/infinibay.key": str(key),
            _SERVER: server,
        }
        configuration = folder / "nginx.conf"
        configuration.write_text(_NGINX.format(folder=folder, block=adapted(block, changes)))
        command = [str(_programs() / "usr/sbin/nginx"), "-c", str(configuration), "-e", str(folder / "error.log")]
        with _running(command, folder, certificate) as proxy:
            yield proxy


@contextmanager
def caddy(block: str, server: str) -> Iterator[Proxy]:
    """With the block as its sites, before the server at host and port."""
    with _folder() as folder:
        configuration = folder / "Caddyfile"
        configuration.write_text(_CADDY.format(address=ADDRESS, folder=folder, block=adapted(block, {_SERVER: server})))
        command = [str(_programs() / "usr/bin/caddy"), "run", "--config", str(configuration), "--adapter", "caddyfile"]
        with _running(command, folder, folder / "pki/authorities/local/root.crt") as proxy:
            yield proxy


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ib-proxy-") as name:
        yield Path(name)


def _programs() -> Path:
    """Where both lie; fetched at the first call."""
    if not _CACHE.is_dir():
        _CACHE.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE.parent, prefix="proxies-") as name:
            unpack(["nginx", "caddy"], Path(name, "whole"))
            Path(name, "whole").rename(_CACHE)
    return _CACHE


@contextmanager
def _running(command: list[str], folder: Path, certificate: Path) -> Iterator[Proxy]:
    """Runs it until the block ends, and lets in when it answers with its certificate."""
    log = folder / "output.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={"HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )

    def answers() -> Proxy | None:
        assert process.poll() is None, log.read_text()
        if not certificate.exists():
            return None
        proxy = Proxy(ssl.create_default_context(cafile=str(certificate)))
        try:
            with proxy.client() as client:
                return proxy if client.get("/health/live").is_success else None
        except httpx.TransportError:
            return None  # It listens before it has its certificate.

    try:
        yield until_sync(answers, 30, "the proxy's answer")
    except TimeoutError as late:
        raise AssertionError(log.read_text()) from late
    finally:
        process.terminate()
        process.wait()
