"""How much of the repeated work a run does: few repetitions in `scripts/test`, all of them in `scripts/soak`."""

from __future__ import annotations

import os


def count(small: int, full: int) -> int:
    """`full` when INFINIBAY_TEST_SCALE is `full`, otherwise `small`."""
    return full if os.environ.get("INFINIBAY_TEST_SCALE") == "full" else small
