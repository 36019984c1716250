"""The roots of the schema, put together from its areas."""

from __future__ import annotations

from strawberry.tools import merge_types

from infinibay.graphql.applications.mutations import ApplicationMutations
from infinibay.graphql.applications.queries import ApplicationQueries
from infinibay.graphql.auth_users.mutations import UserMutations
from infinibay.graphql.auth_users.queries import UserQueries
from infinibay.graphql.departments.mutations import DepartmentMutations
from infinibay.graphql.departments.queries import DepartmentQueries
from infinibay.graphql.host.queries import HostQueries
from infinibay.graphql.isos.mutations import IsoMutations
from infinibay.graphql.isos.queries import IsoQueries
from infinibay.graphql.machines.mutations import MachineMutations, PowerMutations
from infinibay.graphql.machines.queries import MachineQueries
from infinibay.graphql.machines.subscriptions import MachineSubscriptions
from infinibay.graphql.operations.mutations import OperationMutations
from infinibay.graphql.operations.queries import OperationQueries
from infinibay.graphql.operations.subscriptions import OperationSubscriptions
from infinibay.graphql.scripts.mutations import ScriptMutations
from infinibay.graphql.scripts.queries import ScriptQueries
from infinibay.graphql.templates.mutations import TemplateMutations
from infinibay.graphql.templates.queries import TemplateQueries

Query = merge_types(
    "Query",
    (
        UserQueries,
        ApplicationQueries,
        DepartmentQueries,
        HostQueries,
        IsoQueries,
        MachineQueries,
        OperationQueries,
        ScriptQueries,
        TemplateQueries,
    ),
)
Mutation = merge_types(
    "Mutation",
    (
        UserMutations,
        ApplicationMutations,
        DepartmentMutations,
        IsoMutations,
        MachineMutations,
        PowerMutations,
        OperationMutations,
        ScriptMutations,
        TemplateMutations,
    ),
)
Subscription = merge_types("Subscription", (MachineSubscriptions, OperationSubscriptions))
