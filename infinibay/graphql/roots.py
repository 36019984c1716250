"""The roots of the schema that change or follow things, put together from its areas."""

from __future__ import annotations

from strawberry.tools import merge_types

from infinibay.graphql.applications.mutations import ApplicationMutations
from infinibay.graphql.auth_users.mutations import UserMutations
from infinibay.graphql.departments.mutations import DepartmentMutations
from infinibay.graphql.images.mutations import ImageMutations
from infinibay.graphql.isos.mutations import IsoMutations
from infinibay.graphql.machines.mutations import MachineMutations, PowerMutations
from infinibay.graphql.machines.subscriptions import MachineSubscriptions
from infinibay.graphql.operations.mutations import OperationMutations
from infinibay.graphql.operations.subscriptions import OperationSubscriptions
from infinibay.graphql.scripts.mutations import ScriptMutations
from infinibay.graphql.templates.mutations import TemplateMutations

Mutation = merge_types(
    "Mutation",
    (
        UserMutations,
        ApplicationMutations,
        DepartmentMutations,
        ImageMutations,
        IsoMutations,
        MachineMutations,
        PowerMutations,
        OperationMutations,
        ScriptMutations,
        TemplateMutations,
    ),
)
Subscription = merge_types("Subscription", (MachineSubscriptions, OperationSubscriptions))
