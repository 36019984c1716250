"""The folders that the first start makes, and which setting is wrong where that fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from infinibay.bootstrap.foundation import make_directories
from infinibay.db.connections import connect
from infinibay.errors import SettingError
from tests.support.databases import settings_below


@pytest.mark.usefixtures("nothing_for_others")
def test_qemu_s_account_passes_whatever_the_umask_is(tmp_path: Path) -> None:
    settings = settings_below(tmp_path / "srv" / "cloud" / "base")
    make_directories(settings)
    base = settings.infinibay_base_dir
    modes = {place: place.stat().st_mode & 0o777 for place in (base.parent.parent, base.parent, base, base / "iso")}
    assert set(modes.values()) == {0o755}
    assert (base / "machines").stat().st_mode & 0o777 == 0o711


@pytest.mark.parametrize("variable", ["INFINIBAY_ISO_DIR", "INFINIBAY_ISO_TEMP_DIR", "INFINIBAY_BASE_DIR"])
def test_a_folder_that_can_t_be_made_names_its_setting(tmp_path: Path, variable: str) -> None:
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "below"
    base, others = (place, {}) if variable == "INFINIBAY_BASE_DIR" else (tmp_path / "base", {variable: str(place)})
    with pytest.raises(SettingError) as caught:
        make_directories(settings_below(base, **others))
    assert caught.value.variable == variable


async def test_a_database_s_unknown_parameter_is_told_without_its_url() -> None:
    with pytest.raises(SettingError) as caught:
        await connect("postgresql://me:hidden@127.0.0.1:1/x?hidden=1", "test")
    assert caught.value.variable == "DATABASE_URL"
    assert "hidden" not in caught.value.message
