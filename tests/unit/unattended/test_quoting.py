"""A value is one word of its language, and reads back as it went in; what a language can't hold is refused."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tree_sitter import Language, Node, Parser
from tree_sitter_powershell import language

from infinibay.errors import BadUserInput
from infinibay.unattended.debian import preseed_line
from infinibay.unattended.quoting import kickstart_word, powershell_word, preseed_value, shell_word
from tests.support.answers import read_preseed
from tests.support.installations import LINE
from tests.support.scale import count

_TEXTS = st.one_of(LINE, st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60))
_PARSER = Parser(Language(language()))
many = settings(max_examples=count(30, 500), deadline=None, derandomize=True)


@pytest.mark.parametrize("shell", ["sh", "bash"])
@settings(max_examples=count(3, 30), deadline=None, derandomize=True)
@given(st.lists(_TEXTS, min_size=20, max_size=40))
def test_shells_read_words_back(shell: str, texts: list[str]) -> None:
    script = "printf '%s\\0' " + " ".join(shell_word(text) for text in texts)
    ran = subprocess.run([shell, "-c", script], capture_output=True, check=True)
    assert ran.stdout.decode() == "".join(f"{text}\0" for text in texts)


@many
@given(_TEXTS)
def test_powershell_reads_one_verbatim_string(text: str) -> None:
    tree = _PARSER.parse(f"echo {powershell_word(text)}\n".encode())
    assert not tree.root_node.has_error
    if not any(quote in text for quote in "'\u2018\u2019\u201a\u201b"):
        (string,) = _strings(tree.root_node)
        assert string == f"'{text}'"


@many
@given(_TEXTS)
def test_powershell_doubles_whatever_ends_a_string(text: str) -> None:
    """By the rule of its language: inside, two quotes of any kind in a row stand for the second of them."""
    assert _powershell_value(powershell_word(text)) == text


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
    for function in (shell_word, powershell_word):
        with pytest.raises(BadUserInput):
            function("a\0b")


def _strings(node: Node) -> list[str]:
    if node.type == "string_literal":
        return [(node.text or b"").decode()]
    return [text for child in node.children for text in _strings(child)]


def _powershell_value(word: str) -> str:
    quotes = "'\u2018\u2019\u201a\u201b"
    assert word[0] in quotes
    value: list[str] = []
    rest = iter(word[1:])
    for character in rest:
        if character in quotes:
            second = next(rest, None)
            if second is None:
                return "".join(value)
            assert second in quotes, "the string ended before the word did"
            character = second
        value.append(character)
    raise AssertionError("the string does not end")
