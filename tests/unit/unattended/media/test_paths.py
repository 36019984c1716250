"""Which names answer files may have."""

from __future__ import annotations

import pytest

from infinibay.unattended.media import paths


def test_paths_come_sorted_and_folders_before_what_they_hold() -> None:
    names = ["nocloud/user-data", "$WinPEDriver$/viostor/a.inf", "ks.cfg"]
    assert paths.checked(names) == ("$WinPEDriver$/viostor/a.inf", "ks.cfg", "nocloud/user-data")
    assert paths.folders(names) == ("$WinPEDriver$", "$WinPEDriver$/viostor", "nocloud")


@pytest.mark.parametrize(
    "path",
    [
        *(
            "",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "a/../b",
            "a\0b",
            "a\nb",
            "a:b",
            "a*b",
            "a\\b",
            "a|b",
            "trailing.",
            "blank ",
        ),
        *("x" * 65, "\U0001f600" * 17, "\ud800", "a/b/c/d/e/f/g/h/i"),
    ],
)
def test_a_path_that_some_installer_could_not_read_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="cannot be a path on a medium"):
        paths.checked([path])


@pytest.mark.parametrize("both", [("a", "A"), ("a", "a/b"), ("a/b", "A/c"), ("ß", "SS")])
def test_paths_that_windows_takes_for_one_are_refused(both: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="collides"):
        paths.checked(both)


def test_the_longest_names_pass() -> None:
    names = ["x" * 64, "\U0001f600" * 16, "a/b/c/d/e/f/g/h"]
    assert paths.checked(names) == tuple(sorted(names))
