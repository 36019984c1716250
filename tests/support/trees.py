"""Random trees of files that media can carry."""

from __future__ import annotations

from hypothesis import strategies as st

from infinibay.unattended.media import paths

_NAMES = st.text(
    st.characters(categories=("L", "N", "P", "S", "Zs"), exclude_characters='*/:;?\\"<>|', max_codepoint=0x1FFFF),
    min_size=1,
    max_size=40,
)


def _is_allowed(tree: dict[str, bytes]) -> bool:
    try:
        paths.checked(tree)
    except ValueError:
        return False
    return True


TREES = st.dictionaries(
    st.lists(_NAMES, min_size=1, max_size=4).map("/".join), st.binary(max_size=5000), min_size=1, max_size=8
).filter(_is_allowed)
