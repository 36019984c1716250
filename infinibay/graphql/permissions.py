"""The one table of what each root field demands. Whose thing it is, the services ask of `core.access`."""

from __future__ import annotations

from infinibay.core.access import Rule, allows
from infinibay.errors import Forbidden
from infinibay.graphql.context import Context

RULES: dict[str, Rule] = {
    # auth-users
    "Query.currentUser": Rule.USER,
    "Query.user": Rule.ADMIN,
    "Query.users": Rule.ADMIN,
    "Mutation.login": Rule.PUBLIC,
    "Mutation.logout": Rule.USER,
    "Mutation.revokeSessions": Rule.USER,
    "Mutation.createUser": Rule.ADMIN,
    "Mutation.updateUser": Rule.USER,
    # applications
    "Query.application": Rule.USER,
    "Query.applications": Rule.USER,
    "Mutation.createApplication": Rule.ADMIN,
    "Mutation.updateApplication": Rule.ADMIN,
    "Mutation.deleteApplication": Rule.ADMIN,
    # departments
    "Query.departments": Rule.USER,
    "Query.department": Rule.USER,
    "Query.findDepartmentByName": Rule.USER,
    "Mutation.createDepartment": Rule.ADMIN,
    "Mutation.updateDepartmentName": Rule.ADMIN,
    "Mutation.destroyDepartment": Rule.ADMIN,
    # host
    "Query.hostReport": Rule.ADMIN,
    "Query.checkSystemReadiness": Rule.ADMIN,
    # images
    "Query.image": Rule.ADMIN,
    "Query.images": Rule.ADMIN,
    "Mutation.addImage": Rule.ADMIN,
    "Mutation.createImage": Rule.ADMIN,
    "Mutation.removeImage": Rule.ADMIN,
    # isos
    "Query.availableISOs": Rule.ADMIN,
    "Query.allISOs": Rule.ADMIN,
    "Query.checkISOStatus": Rule.ADMIN,
    "Query.checkMultipleOSAvailability": Rule.ADMIN,
    "Query.getSupportedOSTypes": Rule.USER,
    "Mutation.registerISO": Rule.ADMIN,
    "Mutation.removeISO": Rule.ADMIN,
    "Mutation.setDefaultISO": Rule.ADMIN,
    "Mutation.validateISO": Rule.ADMIN,
    "Mutation.calculateISOChecksum": Rule.ADMIN,
    "Mutation.syncISOs": Rule.ADMIN,
    # machines
    "Query.machine": Rule.USER,
    "Query.machines": Rule.USER,
    "Query.machinesPage": Rule.USER,
    "Query.graphicConnection": Rule.USER,
    "Query.installationReport": Rule.USER,
    "Query.planMachine": Rule.ADMIN,
    "Mutation.createMachine": Rule.ADMIN,
    "Mutation.cloneMachine": Rule.ADMIN,
    "Mutation.retryMachine": Rule.ADMIN,
    "Mutation.updateMachineHardware": Rule.ADMIN,
    "Mutation.updateMachineName": Rule.ADMIN,
    "Mutation.updateMachineUser": Rule.ADMIN,
    "Mutation.moveMachine": Rule.ADMIN,
    "Mutation.setAutostart": Rule.USER,
    "Mutation.executeCommand": Rule.ADMIN,
    "Mutation.powerOn": Rule.USER,
    "Mutation.powerOff": Rule.USER,
    "Mutation.forcePowerOff": Rule.USER,
    "Mutation.suspend": Rule.USER,
    "Mutation.resumeMachine": Rule.USER,
    "Mutation.restartMachine": Rule.USER,
    "Mutation.rebootMachine": Rule.USER,
    "Mutation.resetMachine": Rule.USER,
    "Mutation.destroyMachine": Rule.USER,
    "Subscription.machineStatus": Rule.USER,
    # operations
    "Query.operation": Rule.USER,
    "Query.operations": Rule.USER,
    "Query.machineEvents": Rule.USER,
    "Mutation.cancelOperation": Rule.USER,
    # scripts
    "Query.script": Rule.USER,
    "Query.scripts": Rule.USER,
    "Mutation.createScript": Rule.ADMIN,
    "Mutation.updateScript": Rule.ADMIN,
    "Mutation.deleteScript": Rule.ADMIN,
    # templates
    "Query.machineTemplate": Rule.ADMIN,
    "Query.machineTemplates": Rule.ADMIN,
    "Query.machineTemplateCategory": Rule.ADMIN,
    "Query.machineTemplateCategories": Rule.ADMIN,
    "Mutation.createMachineTemplate": Rule.ADMIN,
    "Mutation.updateMachineTemplate": Rule.ADMIN,
    "Mutation.destroyMachineTemplate": Rule.ADMIN,
    "Mutation.createMachineTemplateCategory": Rule.ADMIN,
    "Mutation.updateMachineTemplateCategory": Rule.ADMIN,
    "Mutation.destroyMachineTemplateCategory": Rule.ADMIN,
    "Subscription.machineEvents": Rule.USER,
    "Subscription.operationProgress": Rule.USER,
}


def demand(rule: Rule, context: Context) -> None:
    """Raises Unauthenticated (or what kept the request anonymous), or Forbidden."""
    if not allows(rule, context.principal) and context.caller:
        raise Forbidden
