"""What the text of a script says, and which texts are refused."""

from __future__ import annotations

import json
import re
import time

import pytest

from infinibay.core.parameters import Option, Parameter
from infinibay.errors import BadUserInput
from infinibay.services.scripts.content import Format, inputs_of, read_content
from tests.support.documents import ROOT

_WHOLE = """
name: Join
description: Joins the directory
version: 1.2
os: [linux]
shell: Bash
inputs:
  - name: domain
    label: Domain
    description: Where to
    required: true
    validation: {min: 3, max: 64}
  - name: port
    type: number
    default: 389
  - name: role
    type: select
    options:
      - {value: a, label: A}
      - value: b
    default: b
  - name: secret
    type: password
script: |
  #!/bin/bash
  join ${{ inputs.domain }} --port ${{inputs.port}}
"""
_INPUTS = (
    Parameter("domain", "Domain", description="Where to", required=True, least=3, most=64),
    Parameter("port", "port", kind="number", default=389),
    Parameter("role", "role", kind="select", default="b", options=(Option("a", "A"), Option("b", "b"))),
    Parameter("secret", "secret", kind="password"),
)


def problems(text: str, kind: Format = "YAML") -> list[str]:
    with pytest.raises(BadUserInput) as refusal:
        read_content(kind, text)
    assert {problem.field for problem in refusal.value.problems} == {"content"}
    return [problem.message for problem in refusal.value.problems]


def test_a_whole_content_is_read() -> None:
    content = read_content("YAML", _WHOLE)
    assert (content.shell, content.parameters) == ("bash", _INPUTS)
    assert content.body == "#!/bin/bash\njoin ${{ inputs.domain }} --port ${{inputs.port}}\n"
    assert inputs_of(json.loads(json.dumps(content.definitions))) == _INPUTS


def test_json_says_the_same() -> None:
    written = {"shell": "powershell", "os": ["windows"], "inputs": [{"name": "a"}], "script": "${{ inputs.a }}"}
    content = read_content("JSON", json.dumps(written))
    assert (content.shell, content.body) == ("powershell", "${{ inputs.a }}")
    assert content.parameters == (Parameter("a", "a"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The content must be an object with shell, inputs and script"),
        ("- a", "The content must be an object with shell, inputs and script"),
        ("shell: [", "The content is no YAML: did not find expected node content in line 2"),
        ("shell: sh\nscript: x\nname: &a b\ntags: *a", "The YAML must not have aliases"),
        ("script: x", "shell: Field required"),
        ("shell: sh", "script: Field required"),
        ("shell: fish\nscript: x", "shell: Input should be 'sh', 'bash', 'python3', 'powershell' or 'cmd'"),
        ("shell: sh\nscript: ' '", "script: The script is empty"),
        ("shell: sh\nscript: 5", "script: Input should be a valid string"),
        ("shell: sh\nscript: x\ninput: []", "input: Extra inputs are not permitted"),
        ("shell: sh\nscript: x\nos: [windows]", "os: A script in sh runs on linux alone"),
        ("shell: sh\nscript: x\nos: []", "os: A script in sh runs on linux alone"),
        ("shell: sh\nscript: x\nos: [linux, windows]", "os: A script in sh runs on linux alone"),
        ("shell: sh\nscript: ${{ inputs.a }}", "script: There is a place for a, which is no input"),
        ("shell: sh\nscript: x\ninputs: [{name: a, default: 5}]", "a: the default must be a text"),
        ("shell: sh\nscript: x\ninputs: [{name: a, type: number, default: .nan}]", None),
        ("shell: sh\nscript: x\ninputs: [{name: a, default: 2026-01-01}]", "a: the default must be a text"),
        ("shell: sh\nscript: x\ninputs: [{name: a, validation: {min: .inf}}]", None),
        ("shell: sh\nscript: x\ninputs: [{name: a}, {name: a}]", "a is defined twice"),
        ("shell: sh\nscript: x\ninputs: [{name: a, kind: text}]", "inputs.0.kind: Extra inputs are not permitted"),
        (
            "shell: cmd\nscript: x\ninputs: [{name: a}]",
            "inputs: A script in cmd can't hold values safely; write it in powershell",
        ),
        ('shell: sh\nscript: "a\\0b"', "script: It has NUL or half characters"),
        ("shell: !!python/object/apply:os.system [id]\nscript: x", None),
        ("[" * 30 + "]" * 30, "The YAML is nested deeper than 20 levels"),
        ("[" * 20_000, None),
        ("{a: " * 5_000, None),
        ("shell: sh\nscript: x\ndescription: " + "9" * 10_000, None),
        ("shell: sh\nscript: x\nversion: 2026-99-99", None),
        ("\x07", None),
    ],
)
def test_a_wrong_content_is_explained(text: str, message: str | None) -> None:
    if message is None:
        assert len(problems(text)) == 1
    else:
        assert problems(text) == [message]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The content is no JSON: Expecting value in line 1"),
        ("shell: sh", "The content is no JSON: Expecting value in line 1"),
        ('{"shell": NaN}', "The JSON has a number that is none"),
        ("[" * 19_000, "The content is no JSON"),
        ('{"shell": "sh", "script": "a\\ud800"}', "script: It has NUL or half characters"),
        ('{"shell": "sh", "script": "x", "inputs": [{"name": "a", "label": "\\u0000"}]}', None),
        ('{"shell": "sh", "script": "x", "name": ' + "9" * 10_000 + "}", "The content is no JSON"),
    ],
)
def test_wrong_json_is_explained(text: str, message: str | None) -> None:
    found = problems(text, "JSON")
    assert len(found) == 1
    assert message in {None, found[0]}


def test_a_short_text_does_not_become_an_endless_one() -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))]
    began = time.monotonic()
    assert problems("\n".join(lines)) == ["The YAML must not have aliases"]
    assert time.monotonic() - began < 1


def test_no_value_of_the_content_is_repeated() -> None:
    text = "shell: sh\nscript: x\ninputs: [{name: a, type: number, default: hunter2, options: hunter2}]"
    assert "hunter2" not in str(problems(text))


def test_the_example_of_the_documents_is_a_script() -> None:
    (written,) = re.findall(r"```yaml\n(shell: .*?)```", (ROOT / "docs/api.md").read_text(), re.DOTALL)
    content = read_content("YAML", written)
    assert [parameter.kind for parameter in content.parameters] == ["text", "number", "select", "password"]
