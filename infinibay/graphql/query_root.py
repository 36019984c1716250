"""The root of the schema that reads, put together from its areas."""

from __future__ import annotations

from strawberry.tools import merge_types

from infinibay.graphql.applications.queries import ApplicationQueries
from infinibay.graphql.auth_users.queries import UserQueries
from infinibay.graphql.departments.queries import DepartmentQueries
from infinibay.graphql.host.queries import HostQueries
from infinibay.graphql.images.queries import ImageQueries
from infinibay.graphql.isos.queries import IsoQueries
from infinibay.graphql.machines.queries import MachineQueries
from infinibay.graphql.operations.queries import OperationQueries
from infinibay.graphql.scripts.queries import ScriptQueries
from infinibay.graphql.templates.queries import TemplateQueries

Query = merge_types(
    "Query",
    (
        UserQueries,
        ApplicationQueries,
        DepartmentQueries,
        HostQueries,
        ImageQueries,
        IsoQueries,
        MachineQueries,
        OperationQueries,
        ScriptQueries,
        TemplateQueries,
    ),
)
