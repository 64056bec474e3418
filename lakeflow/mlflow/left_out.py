"""What MLflow asks a store for and a lake does not have.

MLflow ties these to a database. Each raises MLflow's own error, and not Python's, which its
server would answer as its own failure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from mlflow.store.tracking.abstract_store import AbstractStore

if TYPE_CHECKING:
    from collections.abc import Callable

LEFT_OUT = {
    "the AI gateway": """
        create_gateway_secret get_secret_info update_gateway_secret
        delete_gateway_secret list_secret_infos create_gateway_model_definition
        get_gateway_model_definition list_gateway_model_definitions
        update_gateway_model_definition delete_gateway_model_definition
        create_gateway_endpoint get_gateway_endpoint update_gateway_endpoint
        delete_gateway_endpoint list_gateway_endpoints attach_model_to_endpoint
        detach_model_from_endpoint create_endpoint_binding delete_endpoint_binding
        list_endpoint_bindings set_gateway_endpoint_tag delete_gateway_endpoint_tag
        create_budget_policy get_budget_policy update_budget_policy delete_budget_policy
        list_budget_policies sum_gateway_trace_cost create_gateway_guardrail
        get_gateway_guardrail delete_gateway_guardrail list_gateway_guardrails
        add_guardrail_to_endpoint update_endpoint_guardrail_config
        remove_guardrail_from_endpoint list_endpoint_guardrail_configs
    """,
    "the registry of MCP servers": """
        create_mcp_server get_mcp_server search_mcp_servers update_mcp_server
        delete_mcp_server create_mcp_server_version get_mcp_server_version
        get_mcp_server_version_by_alias get_latest_mcp_server_version
        search_mcp_server_versions update_mcp_server_version delete_mcp_server_version
        create_mcp_access_endpoint get_mcp_access_endpoint search_mcp_access_endpoints
        update_mcp_access_endpoint delete_mcp_access_endpoint set_mcp_server_tag
        delete_mcp_server_tag set_mcp_server_version_tag delete_mcp_server_version_tag
        set_mcp_server_alias delete_mcp_server_alias link_mcp_server_versions_to_trace
        get_mcp_server_versions_for_trace
    """,
    "the archive of traces": """
        archive_traces
    """,
    "traces of Databricks' inference tables": "get_online_trace_details",
}
"""Names of methods, with white space between them, by what they are about."""


def _refusal(name: str, what: str) -> Callable[..., NoReturn]:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        # MLflow 2 has no such class, and none of the methods that are refused.
        from mlflow.exceptions import MlflowNotImplementedException

        raise MlflowNotImplementedException(
            f"{name}: a lake does not hold {what}. MLflow keeps that in a database: set the "
            "tracking URI to one, such as sqlite:///mlflow.db"
        )

    refuse.__name__ = name
    return refuse


class LeftOut:
    """Methods that say so; only those that this MLflow has."""


for _what, _names in LEFT_OUT.items():
    for _name in _names.split():
        # An older MLflow does not ask for it.
        if hasattr(AbstractStore, _name):
            setattr(LeftOut, _name, _refusal(_name, _what))
