"""What an e-mail address, a password and a person's name must look like."""

from __future__ import annotations

import unicodedata

from infinibay.errors import FieldProblem

LONGEST_EMAIL = 254
SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 256
LONGEST_NAME = 100
LONGEST_AVATAR = 2048


def email_key(email: str) -> str:
    """What makes an e-mail address unique and what a login looks up: without case, in one Unicode form."""
    return unicodedata.normalize("NFKC", email.strip()).casefold()


def email_problem(email: str, field: str = "email") -> FieldProblem | None:
    """What is wrong with an e-mail address, if anything."""
    local, at, domain = email.strip().rpartition("@")
    if len(email) > LONGEST_EMAIL:
        return FieldProblem(field, f"An e-mail address has at most {LONGEST_EMAIL} characters")
    if (
        not at
        or not local
        or not domain
        or "@" in local
        or not all(c.isprintable() and c != " " for c in email.strip())
    ):
        return FieldProblem(field, "This is not an e-mail address")
    return None


def password_problem(password: str, field: str = "password") -> FieldProblem | None:
    """What is wrong with a new password, if anything."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        return FieldProblem(field, f"A password has between {SHORTEST_PASSWORD} and {LONGEST_PASSWORD} characters")
    if any(unicodedata.category(c) in {"Cc", "Cs"} for c in password):
        return FieldProblem(field, "A password has no control characters")
    return None


def name_problem(name: str, field: str) -> FieldProblem | None:
    """What is wrong with a person's first or last name, if anything."""
    if not name.strip() or len(name) > LONGEST_NAME:
        return FieldProblem(field, f"A name has between 1 and {LONGEST_NAME} characters")
    if any(unicodedata.category(c) in {"Cc", "Cs"} for c in name):
        return FieldProblem(field, "A name has no control characters")
    return None


def avatar_problem(avatar: str, field: str = "avatar") -> FieldProblem | None:
    """What is wrong with the name or address of a picture, if anything."""
    if len(avatar) > LONGEST_AVATAR:
        return FieldProblem(field, f"An avatar has at most {LONGEST_AVATAR} characters")
    if any(unicodedata.category(c) in {"Cc", "Cs"} for c in avatar):
        return FieldProblem(field, "An avatar has no control characters")
    return None


def confirmation_problem(password: str, confirmation: str | None) -> FieldProblem | None:
    """A new password is sent twice."""
    if password == confirmation:
        return None
    return FieldProblem("passwordConfirmation", "Password and password confirmation do not match")
