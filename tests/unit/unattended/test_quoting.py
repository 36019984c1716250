"""A value is one word of its language, and reads back as it went in; what a language can't hold is refused."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infinibay.errors import BadUserInput
from infinibay.unattended.debian import preseed_line
from infinibay.unattended.quoting import kickstart_word, preseed_value, shell_word
from tests.support.answers import read_preseed
from tests.support.installations import LINE
from tests.support.scale import count

_TEXTS = st.one_of(LINE, st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60))
many = settings(max_examples=count(30, 500), deadline=None, derandomize=True)


@pytest.mark.parametrize("shell", ["sh", "bash"])
@settings(max_examples=count(3, 30), deadline=None, derandomize=True)
@given(st.lists(_TEXTS, min_size=20, max_size=40))
def test_shells_read_words_back(shell: str, texts: list[str]) -> None:
    script = "printf '%s\\0' " + " ".join(shell_word(text) for text in texts)
    ran = subprocess.run([shell, "-c", script], capture_output=True, check=True)
    assert ran.stdout.decode() == "".join(f"{text}\0" for text in texts)


@many
@given(LINE)
def test_kickstart_reads_a_word_back(text: str) -> None:
    assert shlex.split(f"user --gecos={kickstart_word(text)} --next", comments=True) == [
        "user",
        f"--gecos={text}",
        "--next",
    ]


@many
@given(LINE)
def test_preseed_reads_a_value_back_or_it_is_refused(text: str) -> None:
    if text.endswith("\\"):
        with pytest.raises(BadUserInput):
            preseed_value(text)
    else:
        line = preseed_line("passwd/user-fullname", "string", text)
        assert read_preseed(line.encode()) == {"passwd/user-fullname": ("d-i", "string", text)}


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\0b"])
def test_a_line_can_not_be_broken(text: str) -> None:
    for function in (kickstart_word, preseed_value):
        with pytest.raises(BadUserInput) as refusal:
            function(text)
        assert text not in str(refusal.value)
    assert preseed_value("") == ""
    with pytest.raises(BadUserInput):
        preseed_value(" blank")


def test_no_command_holds_nul() -> None:
    with pytest.raises(BadUserInput):
        shell_word("a\0b")
