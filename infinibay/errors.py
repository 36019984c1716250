"""Every error that may leave a layer, in one tree; a class's docstring is its default message.

InfinibayError                     INTERNAL_SERVER_ERROR
├── Unauthenticated                UNAUTHENTICATED
├── Forbidden                      FORBIDDEN
├── BadUserInput                   BAD_USER_INPUT  (carries the fields concerned)
│   └── TooLarge                   BAD_USER_INPUT
├── NotFound                       NOT_FOUND
├── Conflict                       CONFLICT
│   ├── MachineBusy                CONFLICT
│   └── UploadBusy                 CONFLICT
├── TooManyRequests                TOO_MANY_REQUESTS
├── NotImplementedYet              NOT_IMPLEMENTED
├── Unavailable                    UNAVAILABLE
│   ├── DatabaseUnavailable        UNAVAILABLE
│   ├── HypervisorUnavailable      UNAVAILABLE
│   ├── DeadlineExceeded           UNAVAILABLE
│   ├── NoSpace                    UNAVAILABLE
│   └── MediumUnread               UNAVAILABLE
├── DatabaseError                  INTERNAL_SERVER_ERROR
│   └── UniqueViolation            CONFLICT
├── HypervisorError                INTERNAL_SERVER_ERROR  (carries libvirt's code)
│   ├── Unsupported                UNSUPPORTED_BY_HYPERVISOR
│   ├── ObjectMissing              NOT_FOUND   (domain, volume, pool, network, nwfilter)
│   ├── ObjectExists               CONFLICT
│   ├── WrongState                 CONFLICT
│   ├── HypervisorRefused          BAD_USER_INPUT
│   ├── AgentUnresponsive          UNAVAILABLE
│   └── HostFailure                INTERNAL_SERVER_ERROR
├── UnusableMedium                 CONFLICT
├── OperationCancelled             CONFLICT
└── SettingError                   INTERNAL_SERVER_ERROR  (stops the start; names the variable)
"""

from __future__ import annotations

from dataclasses import dataclass


class InfinibayError(Exception):
    """Something went wrong inside infinibay."""

    code: str = "INTERNAL_SERVER_ERROR"

    def __init__(self, message: str | None = None, *, remedy: str | None = None) -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        self.remedy = remedy
        super().__init__(self.message)


class Unauthenticated(InfinibayError):
    """You must log in to do this."""

    code = "UNAUTHENTICATED"


class Forbidden(InfinibayError):
    """Your role does not allow this."""

    code = "FORBIDDEN"


@dataclass(frozen=True)
class FieldProblem:
    """What is wrong with one field of an input; `code` is one of the stable error codes."""

    field: str
    message: str
    code: str = "BAD_USER_INPUT"
    remedy: str | None = None


class BadUserInput(InfinibayError):
    """The input is not valid."""

    code = "BAD_USER_INPUT"

    def __init__(self, *problems: FieldProblem, message: str | None = None) -> None:
        super().__init__(message or "; ".join(problem.message for problem in problems) or None)
        self.problems = problems


class TooLarge(BadUserInput):
    """It is larger than allowed."""


class NotFound(InfinibayError):
    """There is no such thing."""

    code = "NOT_FOUND"


class Conflict(InfinibayError):
    """That contradicts the present state."""

    code = "CONFLICT"

    def __init__(self, message: str | None = None, *, field: str | None = None, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.field = field


class MachineBusy(Conflict):
    """The machine is busy with another operation."""


class UploadBusy(Conflict):
    """Another request is still writing this upload; try again in a moment."""


class TooManyRequests(InfinibayError):
    """Too many attempts; wait a little and try again."""

    code = "TOO_MANY_REQUESTS"


class NotImplementedYet(InfinibayError):
    """This is not available yet."""

    code = "NOT_IMPLEMENTED"


class Unavailable(InfinibayError):
    """A part that is needed does not answer at present; try again."""

    code = "UNAVAILABLE"


class DatabaseUnavailable(Unavailable):
    """The database does not answer at present; try again."""


class HypervisorUnavailable(Unavailable):
    """The hypervisor does not answer at present; try again."""


class DeadlineExceeded(Unavailable):
    """The call did not end within its time limit."""


class NoSpace(Unavailable):
    """There is not enough space for it in the ISO directory."""


class MediumUnread(Unavailable):
    """The ISO file could not be read in time."""


class DatabaseError(InfinibayError):
    """The database refused a statement."""


class UniqueViolation(DatabaseError):
    """A value that must be unique is already taken."""

    code = "CONFLICT"

    def __init__(self, message: str | None = None, *, fields: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.fields = fields


class HypervisorError(InfinibayError):
    """The hypervisor reported an error."""

    def __init__(
        self, message: str | None = None, *, libvirt_code: int | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.libvirt_code = libvirt_code


class Unsupported(HypervisorError):
    """The hypervisor of this host does not offer this."""

    code = "UNSUPPORTED_BY_HYPERVISOR"


class ObjectMissing(HypervisorError):
    """The hypervisor does not know this object."""

    code = "NOT_FOUND"


class ObjectExists(HypervisorError):
    """The hypervisor already has an object of this name."""

    code = "CONFLICT"


class WrongState(HypervisorError):
    """The object is not in a state that allows this."""

    code = "CONFLICT"


class HypervisorRefused(HypervisorError):
    """The hypervisor refused the values it was given."""

    code = "BAD_USER_INPUT"


class AgentUnresponsive(HypervisorError):
    """The guest agent does not answer."""

    code = "UNAVAILABLE"


class HostFailure(HypervisorError):
    """The host could not do this: look at its resources, storage access and network."""


class UnusableMedium(InfinibayError):
    """The installation medium cannot be used."""

    code = "CONFLICT"


class OperationCancelled(InfinibayError):
    """The operation was cancelled."""

    code = "CONFLICT"


class SettingError(InfinibayError):
    """A setting has a wrong value."""

    def __init__(self, variable: str, message: str) -> None:
        super().__init__(f"{variable} {message}")
        self.variable = variable
