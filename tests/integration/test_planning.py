"""A plan from the command line reads what a server laid down, and sets nothing up itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from infinibay.bootstrap.planning import plan_machine
from infinibay.db.migrate import pending
from infinibay.errors import Unavailable
from infinibay.secrets import open_vault
from infinibay.services.machines.requests import CreateMachineRequest
from tests.support.databases import fresh_database, settings_below
from tests.support.twin import twin_uri

REQUEST = CreateMachineRequest(
    name="planned", os="ubuntu", username="me", password="secret words", custom_cores=1, custom_ram=1, custom_storage=5
)


async def test_where_no_server_has_run(tmp_path: Path) -> None:
    base = tmp_path / "base"
    with pytest.raises(Unavailable, match="No server has run here yet"):
        await plan_machine(settings_below(base), REQUEST)
    assert not base.exists()


async def test_a_database_of_an_older_version_stays_as_it_is(postgres_url: str, tmp_path: Path) -> None:
    async with fresh_database(postgres_url, template="template1") as url:
        settings = settings_below(tmp_path, DATABASE_URL=url, LIBVIRT_URI=twin_uri(tmp_path))
        open_vault(settings.key_file)
        missing = await pending(url)
        with pytest.raises(Unavailable, match="The database is that of an older version"):
            await plan_machine(settings, REQUEST)
        assert await pending(url) == missing != []
