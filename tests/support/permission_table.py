"""Every root field by every caller, written from the specification; a test fails on a field that is not here."""

from __future__ import annotations

CALLERS = ("anonymous", "stranger", "owner", "admin", "super_admin")
# Who is not logged in, and what the four others get. `seen` and `hidden` tell whether the owner's things are in the
# answer; a verb is `driven` when it looked at the machine, and `absent` when it says that there is none.
_EVERYBODY = ("ok",) * 5
_USERS = ("UNAUTHENTICATED", "ok", "ok", "ok", "ok")
_ADMINISTRATORS = ("UNAUTHENTICATED", "FORBIDDEN", "FORBIDDEN", "ok", "ok")
_ONE = ("UNAUTHENTICATED", "null", "seen", "seen", "seen")
_LIST = ("UNAUTHENTICATED", "hidden", "seen", "seen", "seen")
_STREAM = ("UNAUTHENTICATED", "NOT_FOUND", "seen", "seen", "seen")
_VERB = ("UNAUTHENTICATED", "absent", "driven", "driven", "driven")
TABLE: dict[str, tuple[str, ...]] = {
    "Mutation.login": _EVERYBODY,
    "Mutation.logout": _USERS,
    "Mutation.revokeSessions": ("UNAUTHENTICATED", "FORBIDDEN", "ok", "ok", "ok"),
    "Query.currentUser": _USERS,
    "Query.user": _ADMINISTRATORS,
    "Query.users": _ADMINISTRATORS,
    "Mutation.createUser": _ADMINISTRATORS,
    "Mutation.updateUser": ("UNAUTHENTICATED", "FORBIDDEN", "ok", "ok", "ok"),
    "Query.department": _ONE,
    "Query.departments": _LIST,
    "Query.findDepartmentByName": _ONE,
    "Mutation.createDepartment": _ADMINISTRATORS,
    "Mutation.updateDepartmentName": _ADMINISTRATORS,
    "Mutation.destroyDepartment": _ADMINISTRATORS,
    "Query.hostReport": _ADMINISTRATORS,
    "Query.checkSystemReadiness": _ADMINISTRATORS,
    "Query.availableISOs": _ADMINISTRATORS,
    "Query.allISOs": _ADMINISTRATORS,
    "Query.checkISOStatus": _ADMINISTRATORS,
    "Query.checkMultipleOSAvailability": _ADMINISTRATORS,
    "Query.getSupportedOSTypes": _USERS,
    "Mutation.registerISO": _ADMINISTRATORS,
    "Mutation.removeISO": _ADMINISTRATORS,
    "Mutation.setDefaultISO": _ADMINISTRATORS,
    "Mutation.validateISO": _ADMINISTRATORS,
    "Mutation.calculateISOChecksum": _ADMINISTRATORS,
    "Mutation.syncISOs": _ADMINISTRATORS,
    "Query.machine": _ONE,
    "Query.machines": _LIST,
    "Query.machinesPage": _LIST,
    "Query.graphicConnection": ("UNAUTHENTICATED", "null", "ok", "ok", "ok"),
    "Query.installationReport": _ONE,
    "Query.planMachine": _ADMINISTRATORS,
    "Mutation.createMachine": _ADMINISTRATORS,
    "Mutation.retryMachine": _ADMINISTRATORS,
    "Mutation.updateMachineHardware": _ADMINISTRATORS,
    "Mutation.updateMachineName": _ADMINISTRATORS,
    "Mutation.updateMachineUser": _ADMINISTRATORS,
    "Mutation.moveMachine": _ADMINISTRATORS,
    "Mutation.executeCommand": (
        "UNAUTHENTICATED",
        "FORBIDDEN",
        "FORBIDDEN",
        "NOT_IMPLEMENTED",
        "NOT_IMPLEMENTED",
    ),
    "Mutation.setAutostart": ("UNAUTHENTICATED", "NOT_FOUND", "ok", "ok", "ok"),
    "Mutation.powerOn": _VERB,
    "Mutation.powerOff": _VERB,
    "Mutation.forcePowerOff": _VERB,
    "Mutation.suspend": _VERB,
    "Mutation.resumeMachine": _VERB,
    "Mutation.restartMachine": _VERB,
    "Mutation.rebootMachine": _VERB,
    "Mutation.resetMachine": _VERB,
    "Mutation.destroyMachine": _VERB,
    "Query.operation": _ONE,
    "Query.operations": _LIST,
    "Query.machineEvents": _LIST,
    # The operation has ended, which only those who may see it learn.
    "Mutation.cancelOperation": ("UNAUTHENTICATED", "NOT_FOUND", "CONFLICT", "CONFLICT", "CONFLICT"),
    "Query.machineTemplate": _ADMINISTRATORS,
    "Query.machineTemplates": _ADMINISTRATORS,
    "Query.machineTemplateCategory": _ADMINISTRATORS,
    "Query.machineTemplateCategories": _ADMINISTRATORS,
    "Mutation.createMachineTemplate": _ADMINISTRATORS,
    "Mutation.updateMachineTemplate": _ADMINISTRATORS,
    "Mutation.destroyMachineTemplate": _ADMINISTRATORS,
    "Mutation.createMachineTemplateCategory": _ADMINISTRATORS,
    "Mutation.updateMachineTemplateCategory": _ADMINISTRATORS,
    "Mutation.destroyMachineTemplateCategory": _ADMINISTRATORS,
    "Subscription.machineStatus": _STREAM,
    "Subscription.machineEvents": _STREAM,
    "Subscription.operationProgress": _STREAM,
}
