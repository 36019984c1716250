"""libvirt's errors → ours, by libvirt's code; the sentence stays libvirt's. The only place that does this."""

from __future__ import annotations

import libvirt

from infinibay.errors import (
    AgentUnresponsive,
    DeadlineExceeded,
    HostFailure,
    HypervisorError,
    HypervisorRefused,
    HypervisorUnavailable,
    InfinibayError,
    ObjectExists,
    ObjectMissing,
    Unsupported,
    WrongState,
)

# What the driver, or this version of it, does not offer.
_UNSUPPORTED = (
    libvirt.VIR_ERR_NO_SUPPORT,
    libvirt.VIR_ERR_OS_TYPE,
    libvirt.VIR_ERR_NO_OS,
    libvirt.VIR_ERR_NO_XEN,
    libvirt.VIR_ERR_NO_XENSTORE,
    libvirt.VIR_ERR_NO_SECURITY_MODEL,
    libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
    libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
    libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
    libvirt.VIR_ERR_CPU_INCOMPATIBLE,
    libvirt.VIR_ERR_MIGRATE_UNSAFE,
)
_MISSING = (
    libvirt.VIR_ERR_NO_DOMAIN,
    libvirt.VIR_ERR_NO_NETWORK,
    libvirt.VIR_ERR_NO_STORAGE_POOL,
    libvirt.VIR_ERR_NO_STORAGE_VOL,
    libvirt.VIR_ERR_NO_NODE_DEVICE,
    libvirt.VIR_ERR_NO_INTERFACE,
    libvirt.VIR_ERR_NO_NWFILTER,
    libvirt.VIR_ERR_NO_NWFILTER_BINDING,
    libvirt.VIR_ERR_NO_SECRET,
    libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT,
    libvirt.VIR_ERR_NO_DOMAIN_CHECKPOINT,
    libvirt.VIR_ERR_NO_DOMAIN_BACKUP,
    libvirt.VIR_ERR_NO_DOMAIN_METADATA,
    libvirt.VIR_ERR_NO_NETWORK_PORT,
    libvirt.VIR_ERR_NO_SERVER,
    libvirt.VIR_ERR_NO_CLIENT,
    libvirt.VIR_ERR_DEVICE_MISSING,
)
_EXISTS = (
    libvirt.VIR_ERR_DOM_EXIST,
    libvirt.VIR_ERR_NETWORK_EXIST,
    libvirt.VIR_ERR_NETWORK_PORT_EXIST,
    libvirt.VIR_ERR_STORAGE_VOL_EXIST,
    libvirt.VIR_ERR_STORAGE_POOL_BUILT,
)
_WRONG_STATE = (
    libvirt.VIR_ERR_OPERATION_INVALID,
    libvirt.VIR_ERR_OPERATION_ABORTED,
    libvirt.VIR_ERR_BLOCK_COPY_ACTIVE,
    libvirt.VIR_ERR_RESOURCE_BUSY,
    libvirt.VIR_ERR_SNAPSHOT_REVERT_RISKY,
    libvirt.VIR_ERR_CHECKPOINT_INCONSISTENT,
    libvirt.VIR_ERR_MIGRATE_FINISH_OK,
)
_REFUSED = (
    libvirt.VIR_ERR_INVALID_ARG,
    libvirt.VIR_ERR_XML_ERROR,
    libvirt.VIR_ERR_XML_DETAIL,
    libvirt.VIR_ERR_XML_INVALID_SCHEMA,
    libvirt.VIR_ERR_CONF_SYNTAX,
    libvirt.VIR_ERR_PARSE_FAILED,
    libvirt.VIR_ERR_OVERFLOW,
    libvirt.VIR_ERR_INVALID_MAC,
    libvirt.VIR_ERR_NO_NAME,
    libvirt.VIR_ERR_NO_SOURCE,
    libvirt.VIR_ERR_NO_TARGET,
    libvirt.VIR_ERR_NO_DEVICE,
    libvirt.VIR_ERR_NO_KERNEL,
    libvirt.VIR_ERR_NO_ROOT,
    libvirt.VIR_ERR_MULTIPLE_INTERFACES,
    libvirt.VIR_ERR_MULTIPLE_DOMAINS,
    libvirt.VIR_ERR_INVALID_DOMAIN,
    libvirt.VIR_ERR_INVALID_NETWORK,
    libvirt.VIR_ERR_INVALID_NETWORK_PORT,
    libvirt.VIR_ERR_INVALID_STORAGE_POOL,
    libvirt.VIR_ERR_INVALID_STORAGE_VOL,
    libvirt.VIR_ERR_INVALID_NODE_DEVICE,
    libvirt.VIR_ERR_INVALID_INTERFACE,
    libvirt.VIR_ERR_INVALID_NWFILTER,
    libvirt.VIR_ERR_INVALID_NWFILTER_BINDING,
    libvirt.VIR_ERR_INVALID_SECRET,
    libvirt.VIR_ERR_INVALID_STREAM,
    libvirt.VIR_ERR_INVALID_DOMAIN_SNAPSHOT,
    libvirt.VIR_ERR_INVALID_DOMAIN_CHECKPOINT,
)
_AGENT = (libvirt.VIR_ERR_AGENT_UNRESPONSIVE, libvirt.VIR_ERR_AGENT_UNSYNCED)
_TIMEOUT = (libvirt.VIR_ERR_OPERATION_TIMEOUT,)
_UNAVAILABLE = (
    libvirt.VIR_ERR_NO_CONNECT,
    libvirt.VIR_ERR_INVALID_CONN,
    libvirt.VIR_ERR_UNKNOWN_HOST,
    libvirt.VIR_ERR_NO_HOSTNAME,
    libvirt.VIR_ERR_AUTH_FAILED,
    libvirt.VIR_ERR_AUTH_CANCELLED,
    libvirt.VIR_ERR_AUTH_UNAVAILABLE,
    libvirt.VIR_ERR_GNUTLS_ERROR,
    libvirt.VIR_ERR_SSH,
    libvirt.VIR_ERR_LIBSSH,
)
_HOST = (
    libvirt.VIR_ERR_INTERNAL_ERROR,
    libvirt.VIR_ERR_NO_MEMORY,
    libvirt.VIR_ERR_OPERATION_FAILED,
    libvirt.VIR_ERR_GET_FAILED,
    libvirt.VIR_ERR_POST_FAILED,
    libvirt.VIR_ERR_HTTP_ERROR,
    libvirt.VIR_ERR_SEXPR_SERIAL,
    libvirt.VIR_ERR_XEN_CALL,
    libvirt.VIR_ERR_DRIVER_FULL,
    libvirt.VIR_ERR_CALL_FAILED,
    libvirt.VIR_ERR_OPERATION_DENIED,
    libvirt.VIR_ERR_ACCESS_DENIED,
    libvirt.VIR_ERR_OPEN_FAILED,
    libvirt.VIR_ERR_READ_FAILED,
    libvirt.VIR_ERR_WRITE_FAILED,
    libvirt.VIR_ERR_SYSTEM_ERROR,
    libvirt.VIR_ERR_RPC,
    libvirt.VIR_ERR_BUILD_FIREWALL,
    libvirt.VIR_ERR_MIGRATE_PERSIST_FAILED,
    libvirt.VIR_ERR_HOOK_SCRIPT_FAILED,
    libvirt.VIR_ERR_STORAGE_PROBE_FAILED,
    libvirt.VIR_ERR_DBUS_SERVICE,
)

CLASS_OF_CODE: dict[int, type[InfinibayError]] = {
    code: ours
    for codes, ours in (
        (_UNSUPPORTED, Unsupported),
        (_MISSING, ObjectMissing),
        (_EXISTS, ObjectExists),
        (_WRONG_STATE, WrongState),
        (_REFUSED, HypervisorRefused),
        (_AGENT, AgentUnresponsive),
        (_TIMEOUT, DeadlineExceeded),
        (_UNAVAILABLE, HypervisorUnavailable),
        (_HOST, HostFailure),
    )
    for code in codes
}

_LOST_CODES = (libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_SYSTEM_ERROR)


def is_connection_lost(error: libvirt.libvirtError) -> bool:
    """Whether the error comes from a broken line to the daemon and not from what was asked of it.

    Code 38 alone also means a missing file or a dead QEMU; only together with the RPC layer as its source it is the
    line. Callers look at `isAlive` as well.
    """
    return error.get_error_code() in _LOST_CODES and error.get_error_domain() == libvirt.VIR_FROM_RPC


def translate(error: libvirt.libvirtError) -> InfinibayError:
    """Our error for one of libvirt's; raise it `from` the original. Codes that we do not know are HostFailure."""
    code = error.get_error_code()
    message = error.get_error_message() or None
    if is_connection_lost(error):
        return HypervisorUnavailable(f"The connection to the hypervisor is lost: {message}")
    ours = WrongState if _is_state_of_twin(error) else CLASS_OF_CODE.get(code, HostFailure)
    return ours(message, libvirt_code=code) if issubclass(ours, HypervisorError) else ours(message)


def _is_state_of_twin(error: libvirt.libvirtError) -> bool:
    """The test driver calls it an internal error when a domain is not in the right state."""
    return (error.get_error_code(), error.get_error_domain()) == (libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_TEST)


def name_taken(error: InfinibayError) -> ObjectExists | None:
    """ObjectExists, if this is how a define says that the name belongs to another UUID (a failed operation)."""
    if isinstance(error, HostFailure) and error.libvirt_code == libvirt.VIR_ERR_OPERATION_FAILED:
        return ObjectExists(error.message, libvirt_code=error.libvirt_code)
    return None
