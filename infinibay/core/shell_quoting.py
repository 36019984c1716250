"""Where a POSIX shell takes a text as it stands, so that no value can come into it.

That is between single quotes, after a backslash and in here-documents with a quoted end, but not in double quotes,
substitutions and comments around or inside of them. What can't be read to its end is left to the shell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

# How a sentence ends that names such a place.
LITERAL = (
    "in single quotes, after a backslash or in a here-document with a quoted end, where no value comes into the text; "
    "use double quotes"
)
_DEEPEST = 20
# What a word begins after, and what it ends before.
_BEGIN, _END = r"(?<![^\s;&|()])", r"(?![^\s;&|()])"
_TOKENS = {
    "escape": r"\\.?",
    "ansi": r"\$'(?:[^'\\]|\\.)*'",
    "single": r"'[^']*'",
    "tick": r"`(?:[^`\\]|\\.)*`",
    "unended": r"['`]",
    "arithmetic": r"\$?\(\(",
    "command": r"\$?\(",
    "close": r"\)",
    "pattern": r"\$\{[!#]?\w*(?:\[[^]\n]{0,200}\])?[#%/^,]",
    "brace": r"\$\{",
    "unbrace": r"\}",
    "double": r'"',
    "comment": rf"{_BEGIN}#[^\n]*",
    "case": rf"{_BEGIN}case(?=\s[^\n]{{1,200}}?\sin\s)",
    "esac": rf"{_BEGIN}esac{_END}",
    "string": r"<<<",
    "here": r"<<-?[ \t]*(?:[^\s;&|<>()'\"\\`]|\\.|'[^'\n]*'|\"[^\"\n]*\")+",
    "line": r"\n",
}
_EXPANDED = ("escape", "tick", "pattern", "brace")
_SINGLE = ("ansi", "single", "unended")
_GROUPED = (*_EXPANDED, *_SINGLE, "arithmetic", "command", "close", "double")
_CODE = (*_GROUPED, "comment", "case", "esac", "string", "here", "line")
# What means something in each kind of text; between double quotes a parenthesis opens only after a dollar sign.
_MEANS = {
    "code": _CODE,
    "command": _CODE,
    "case": _CODE,
    "arithmetic": _GROUPED,
    "double": (*_EXPANDED, "arithmetic", "command", "unended", "double"),
    "brace": (*_EXPANDED, *_SINGLE, "arithmetic", "command", "unbrace", "double"),
    "quoted brace": (*_EXPANDED, "arithmetic", "command", "unended", "unbrace", "double"),
    "here": (*_EXPANDED, "arithmetic", "command", "unended"),
}
_IN_QUOTES = frozenset({"double", "quoted brace", "here"})


def literal_places(text: str, place: re.Pattern[str]) -> list[str]:
    """The names of the places that the shell takes as they stand."""
    if not place.search(text):
        return []
    reader = _Reader(place, {kind: _pattern(kind, place) for kind in _MEANS})
    try:
        reader.read(text, "code", 0)
    except _Unreadable:
        return []
    return sorted(reader.literal)


def _pattern(kind: str, place: re.Pattern[str]) -> re.Pattern[str]:
    tokens = {name: _TOKENS[name] for name in _MEANS[kind]}
    if kind in _IN_QUOTES:
        tokens |= {"arithmetic": r"\$\(\(", "command": r"\$\(", "unended": "`"}
    named = [f"(?P<{name}>{pattern})" for name, pattern in tokens.items()]
    return re.compile(
        "|".join([rf"(?P<escaped>\\(?:{place.pattern}))", f"(?P<place>{place.pattern})", *named]), re.DOTALL
    )


class _Unreadable(Exception):
    """The text ends inside of something, or is nested too deeply."""


@dataclass
class _Reader:
    place: re.Pattern[str]
    patterns: dict[str, re.Pattern[str]]
    literal: set[str] = field(default_factory=set)

    def read(self, text: str, kind: str, depth: int) -> None:
        if depth > _DEEPEST:
            raise _Unreadable
        inside, ends, at = [kind], list[str](), 0
        while found := self.patterns[inside[-1]].search(text, at):
            at = found.end()
            match found.lastgroup:
                case "escaped" | "single" | "ansi":
                    self.literal.update(self.place.findall(found[0]))
                case "unended":
                    raise _Unreadable
                case "tick":
                    self.read(found[0][1:-1], "code", depth + 1)
                case "here":
                    ends.append(found[0])
                case "line" if ends:
                    at = self._read_documents(text, at, ends, depth)
                    ends.clear()
                case token if token is not None:
                    _step(inside, token)
        if inside != [kind] or ends:
            raise _Unreadable

    def _read_documents(self, text: str, at: int, ends: list[str], depth: int) -> int:
        """Where the last of them has its end."""
        for end in ends:
            word = end.removeprefix("<<").removeprefix("-").strip(" \t")
            plain = re.sub(r"\\(.)|['\"]", r"\1", word)
            tabs = r"\t*" if end.startswith("<<-") else ""
            last = re.compile(f"^{tabs}{re.escape(plain)}$", re.MULTILINE).search(text, at)
            if last is None:
                raise _Unreadable
            body, at = text[at : last.start()], last.end() + 1
            if plain == word:
                self.read(body, "here", depth + 1)
            else:
                self.literal.update(self.place.findall(body))
        return at - 1


def _step(inside: list[str], token: str) -> None:
    """Into what a token begins, or out of what it ends."""
    kind = inside[-1]
    match token:
        case "double" if kind == "double":
            inside.pop()
        case "unbrace" | "close" if len(inside) > 1 and kind != "case":
            inside.pop()
        case "esac" if kind == "case":
            inside.pop()
        case "brace":
            inside.append("quoted brace" if kind in _IN_QUOTES else "brace")
        case "pattern":
            inside.append("brace")
        case "arithmetic":
            inside += ["arithmetic", "arithmetic"]
        case "command":
            inside.append("arithmetic" if kind == "arithmetic" else "command")
        case "double" | "case":
            inside.append(token)
