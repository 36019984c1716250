"""A value in a command or script is one word, comes out as it went in, and is never code, wherever its place is."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tree_sitter import Language, Parser
from tree_sitter_powershell import language

from infinibay.core.parameters import COMMAND_PLACE, SCRIPT_PLACE
from infinibay.core.shell_quoting import literal_places
from infinibay.errors import BadUserInput
from infinibay.unattended.filling import fill
from infinibay.unattended.installation import Interpreter
from tests.support.scale import count

_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
_TRICKS = (
    "",
    "two words",
    "'; touch canary; '",
    '"; touch canary; "',
    "$(touch canary) `touch canary`",
    "\ntouch canary\n",
    "' + __import__('os').system('touch canary') + '",
    '"""\nimport os; os.system("touch canary")\n"""',
    "\\",
    "*",
    "-n",
    "'@\ntouch canary\n@'",
    "#> touch canary <#",
    "\u2018; touch canary; \u2019",
)
# Each is a place where a quoted value would end what it stands in.
_SHELL_PLACES = (
    "printf '%s\\0' {{a}}",
    "printf '%s\\0' x{{a}}y",
    "printf '%s\\0' --name={{ a }}",
    "printf '%s\\0' \"{{a}}\"",
    "printf '%s\\0' \"x {{a}} y\"",
    "printf '%s\\0' '{{a}}'",
    "# {{a}}",
    "cat <<END\n{{a}}\nEND",
    "cat <<'END'\n{{a}}\nEND",
    'echo "$(printf \'%s\' "{{a}}")"',
    "echo `printf %s {{a}}`",
    "case {{a}} in *) echo any;; esac",
    'name={{a}}; echo "$name"',
)


def _document(text: str) -> str:
    """Its end is another than that of those inside of it."""
    end = f"END{len(text)}"
    return f"$(cat <<{end}\n{text} 'q'\n{end}\n)"


# Pieces of shell text, each with what it means: such as may stand between double quotes, and words.
_INNER: st.SearchStrategy[tuple[str, str]] = st.deferred(
    lambda: st.one_of(
        st.sampled_from([("{{a}}", "{{a}}"), ("it's # ", "it's # "), ("\n) ", "\n) "), ("${none:-x{{a}}}", "x{{a}}")]),
        _WORDS.map(lambda word: (f"$(printf '<%s>' {word[0]})", f"<{word[1]}>")),
        _TWO_INNER.map(lambda two: (_document(two[0]), f"{two[1]} 'q'")),
    )
)
_TWO_INNER: st.SearchStrategy[tuple[str, str]] = st.tuples(_INNER, _INNER).map(
    lambda two: (two[0][0] + two[1][0], two[0][1] + two[1][1])
)
_WORDS: st.SearchStrategy[tuple[str, str]] = st.one_of(
    st.sampled_from([("{{a}}", "{{a}}"), ("'\"'{{a}}", '"{{a}}'), ("\\'{{a}}\\\"", "'{{a}}\"")]),
    _TWO_INNER.map(lambda two: (f'"{two[0]}"', two[1])),
)
_PARSER = Parser(Language(language()))
many = settings(max_examples=count(30, 500), deadline=None, derandomize=True)


def ran(text: str, interpreter: Interpreter, folder: Path | None = None) -> str:
    """What the text prints; whatever goes wrong in it."""
    done = subprocess.run([interpreter, "-c", text], capture_output=True, cwd=folder, check=False)
    return done.stdout.decode()


@pytest.mark.parametrize("shell", ["sh", "bash"])
@settings(max_examples=count(3, 30), deadline=None, derandomize=True)
@given(values=st.lists(_TEXTS, min_size=20, max_size=40))
def test_shells_get_each_value_as_one_argument(shell: Interpreter, values: list[str]) -> None:
    names = {f"value{number}": value for number, value in enumerate(values)}
    for place in ("${{ inputs.%s }}", '"${{ inputs.%s }}"'):
        text = "printf '%s\\0' " + " ".join(place % name for name in names)
        assert ran(fill(text, SCRIPT_PLACE, names, shell), shell) == "".join(f"{value}\0" for value in values)


@pytest.mark.parametrize("shell", ["sh", "bash"])
@many
@given(piece=_WORDS, value=st.sampled_from(_TRICKS) | st.sampled_from(["a b *", ""]) | _TEXTS)
def test_a_value_is_one_word_however_deep_its_place_lies(
    shell: Interpreter, piece: tuple[str, str], value: str
) -> None:
    """In double quotes over lines, in substitutions between them, in here-documents, beside quotes that are data."""
    text, meant = piece
    assert literal_places(text, COMMAND_PLACE) == []
    filled = fill(f"printf '[%s]' {text} {{{{a}}}}", COMMAND_PLACE, {"a": value}, shell)
    assert ran(filled, shell, Path("/etc")) == f"[{meant.replace('{{a}}', value)}][{value}]"


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ('echo "one\ntwo {{a}}"', "one\ntwo a  b *\n"),
        ('echo "$(printf "[%s]" "{{a}}")"', "[a  b *]\n"),
        ("echo '\"' {{a}}", '" a  b *\n'),
        ('cat <<END\npassword={{a}} "x"\nEND\n', 'password=a  b * "x"\n'),
        ('echo "`printf "[%s]" {{a}}`"', "[a  b *]\n"),
        ('echo "${none:-x {{a}}}"', "x a  b *\n"),
        ("case 'a  b *' in {{a}}) echo same;; esac", "same\n"),
        ("case 'a  b c' in {{a}}) echo same;; esac", ""),
        ('set -eu; set -- {{a}} "{{a}}"; echo $#', "2\n"),
    ],
)
def test_a_value_is_whole_where_quotes_are_hard_to_see(shell: Interpreter, text: str, meant: str) -> None:
    assert ran(fill(text, COMMAND_PLACE, {"a": "a  b *"}, shell), shell, Path("/etc")) == meant


@settings(max_examples=count(3, 30), deadline=None, derandomize=True)
@given(values=st.lists(_TEXTS, min_size=20, max_size=40))
def test_python_gets_each_value_as_one_text(values: list[str]) -> None:
    names = {f"value{number}": value for number, value in enumerate(values)}
    places = ", ".join(f"${{{{ inputs.{name} }}}}" for name in names)
    text = f"import sys\nsys.stdout.buffer.write(b''.join(one.encode() + b'\\0' for one in [{places}]))"
    assert ran(fill(text, SCRIPT_PLACE, names, "python3"), "python3") == "".join(f"{value}\0" for value in values)


@many
@given(_TEXTS)
def test_powershell_gets_an_expression_of_numbers(value: str) -> None:
    """By the rule of its language: numbers joined as characters are the text that they stand for."""
    filled = fill("{{a}}", COMMAND_PLACE, {"a": value}, "powershell")
    found = re.fullmatch(r"\$\(-join\[char\[\]\]@\(([0-9,]*)\)\)", filled)
    assert found is not None
    units = [int(code) for code in found[1].split(",") if code]
    assert b"".join(unit.to_bytes(2, "little") for unit in units).decode("utf-16-le") == value
    for text in (
        f"install --name {filled}",
        f'install --name "a {filled} b"',
        f"$x = {filled}",
        f"echo 1 # {filled}\n",
    ):
        assert not _PARSER.parse(text.encode()).root_node.has_error


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_value_is_no_code_wherever_a_shell_finds_it(shell: Interpreter, tmp_path: Path) -> None:
    for trick in _TRICKS:
        for place in _SHELL_PLACES:
            ran(fill(place, COMMAND_PLACE, {"a": trick}, shell), shell, tmp_path)
            assert list(tmp_path.iterdir()) == [], (trick, place)


def test_a_value_is_no_code_wherever_python_finds_it(tmp_path: Path) -> None:
    places = ("x = {{a}}", "x = '{{a}}'", 'x = "{{a}}"', 'x = f"{{a}}"', '"""{{a}}"""', "# {{a}}", "r'{{a}}'")
    filled = [fill(place, COMMAND_PLACE, {"a": trick}, "python3") for trick in _TRICKS for place in places]
    program = "".join(f"exec({text!r})\n" for text in filled)
    assert ran(f"{program}print('all')", "python3", tmp_path) == "all\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("interpreter", ["python3", "powershell"])
def test_a_value_adds_no_character_that_ends_anything(interpreter: Interpreter) -> None:
    for trick in _TRICKS:
        assert re.fullmatch(r"[A-Za-z0-9\[\]()$@.,\- ]*", fill("{{a}}", COMMAND_PLACE, {"a": trick}, interpreter))


def test_a_value_is_not_looked_into_for_places() -> None:
    values = {"a": "{{b}}", "b": "{{a}}"}
    assert ran(fill("printf '%s %s' {{a}} {{b}}", COMMAND_PLACE, values, "sh"), "sh") == "{{b}} {{a}}"


def test_what_has_no_place_stays_as_it_is() -> None:
    text = "docker ps --format '{{.Names}}' {{ 7 }} ${{ secrets.x }}"
    interpreters: tuple[Interpreter, ...] = ("sh", "powershell", "cmd")
    assert {fill(text, COMMAND_PLACE, {}, one) for one in interpreters} == {text}
    assert fill(text, SCRIPT_PLACE, {}, "bash") == text


def test_a_batch_file_takes_no_value() -> None:
    with pytest.raises(BadUserInput):
        fill("echo {{a}}", COMMAND_PLACE, {"a": "x"}, "cmd")
