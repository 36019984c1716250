"""A copy that was started is spoiled: whenever the server dies, an image is made of one that was not."""

from __future__ import annotations

from typing import Any, cast
from unittest.mock import AsyncMock

import pytest
from typing_extensions import override

from infinibay.db import machines
from infinibay.operations.api import StepContext
from infinibay.services.images.making import ImageSteps


class Died(Exception):
    """The server, at the moment that was chosen."""


class Host:
    """What is on the host; it dies once, after so many effects."""

    def __init__(self, effects: int) -> None:
        self.volume: str | None = "new"
        self.directory = self.done = False
        self.made_of: str | None = None
        self._left = effects

    def happened(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise Died

    async def was_cut_short(self, _image_id: str) -> bool:
        return self.directory and not self.done

    async def clean(self, _image_id: str) -> None:
        self.directory = False
        self.happened()

    async def run(self, *_about: object) -> None:
        self.directory, self.made_of, self.volume = True, self.volume, "started"
        self.happened()
        self.done = True


class Steps(ImageSteps):
    """With its other effects on that host."""

    def __init__(self, host: Host) -> None:
        anything: Any = AsyncMock()
        super().__init__(anything, anything, anything, anything, cast("Any", host), anything)
        self._host = host

    @override
    async def _copy(self, context: StepContext) -> None:
        if self._host.volume is None:
            self._host.volume = "new"
            self._host.happened()

    @override
    async def _remove_volume(self, context: StepContext) -> None:
        self._host.volume = None
        self._host.happened()

    @override
    async def _image(self, context: StepContext) -> Any:
        return None


@pytest.mark.parametrize("second_death", [1, 2, 3, 4])
async def test_no_image_is_made_of_a_copy_that_was_started(second_death: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "find_with_disks", AsyncMock())
    host, context = Host(1), AsyncMock(spec=StepContext, input={"image": "golden"}, machine_id="source")
    steps = Steps(host)
    generalise = {step.name: step for step in steps.kinds()[1].steps}["generalise"]
    with pytest.raises(Died):
        await generalise.run(context)
    host._left = second_death
    with pytest.raises(Died):
        await generalise.run(context)

    await generalise.run(context)

    assert (host.made_of, host.done) == ("new", True)
