"""Which places in a shell's text no value can come to."""

from __future__ import annotations

import time

import pytest

from infinibay.core.parameters import COMMAND_PLACE, SCRIPT_PLACE
from infinibay.core.shell_quoting import literal_places


@pytest.mark.parametrize(
    "text",
    [
        "echo '{{a}}'",
        "echo $'it\\'s {{a}}'",
        "echo \\{{a}}",
        'echo "\\{{a}}"',
        "cat <<'END'\n{{a}}\nEND\n",
        "cat <<\\END\n{{a}}\nEND",
        'cat <<-"END"\n{{a}}\n\tEND',
        "cat <<A <<'B'\n'\nA\n{{a}}\nB",
        "cat <<END\n'\nEND\necho '{{a}}'",
        "cat <<END\n$(echo '{{a}}')\nEND",
        "echo \"$(echo '{{a}}')\"",
        "echo `echo '{{a}}'`",
        "echo ${x:-'{{a}}'}",
        "echo \"${x#'{{a}}'}\"",
        "echo \"'\" '{{a}}'",
        "# it's\necho '{{a}}'",
        "echo $((1<<2)) '{{a}}'",
        "x=$(case y in y) echo '{{a}}';; esac)",
        'x="$( (case y in y) echo "\'" \'{{a}}\';; esac) )"',
    ],
)
def test_a_text_that_stands_as_it_is(text: str) -> None:
    assert literal_places(f"echo {{{{b}}}}\n{text}", COMMAND_PLACE) == ["a"]


@pytest.mark.parametrize(
    "text",
    [
        "echo {{a}} 'x' \"{{a}}\" \"'{{a}}'\"",
        "echo \\' {{a}} \\'",
        "echo \\\\{{a}}",
        "echo 1 # '{{a}}'",
        "echo $# {{a}} 'x' a#'y' {{a}} # it's",
        "cat <<END\n'{{a}}'\nEND",
        "cat <<'END'\nit's\nEND\necho {{a}}",
        "cat <<<'x' {{a}}",
        "echo $((1 << 2)) {{a}}",
        'echo "$(echo \'"\' "{{a}}")"',
        "echo \"${x:-'{{a}}'}\" ${#x} {{a}}",
        "case {{a}} in 'x') echo {{a}};; esac",
        "x=$(case y in 'y') echo {{a}};; (z) echo \"{{a}}\";; esac)",
        # These end inside of something; only a shell can tell.
        "echo 'unended {{a}}",
        "cat <<'END'\n{{a}}",
        "$(" * 30 + "'{{a}}'",
    ],
)
def test_a_text_that_a_value_comes_into(text: str) -> None:
    assert literal_places(text, COMMAND_PLACE) == []


def test_names_are_told_once_and_in_order() -> None:
    assert literal_places("'${{ inputs.b }} ${{inputs.a}} ${{inputs.b}}' ${{inputs.c}}", SCRIPT_PLACE) == ["a", "b"]


@pytest.mark.parametrize("part", ["$(", "'", "`", "<<E ", "case x in a) ", '"${x#', "<<E\n$(", "${x[", "$'\\'", "<<'"])
def test_no_text_takes_long(part: str) -> None:
    began = time.monotonic()
    literal_places(part * 20_000 + " {{a}}", COMMAND_PLACE)
    assert time.monotonic() - began < 2
