"""The MCP server: the tool table, the argument check, resources and prompts, over one Studio that is opened when
needed."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import anyio
from anyio import to_thread
from mcp.server import Server, ServerRequestContext
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    GetPromptRequestParams,
    GetPromptResult,
    InputRequiredResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    Tool,
)

from backends.errors import VideoError
from backends.settings import Settings, load_settings
from mcp_server import apps, prompts, resources
from mcp_server.caller import caller
from mcp_server.consent import User
from mcp_server.dialect import published
from mcp_server.problems import added_to, every_problem
from mcp_server.refusal import crashed, illegal, refused
from mcp_server.session_memory import Sessions, session_of
from mcp_server.strict import StrictArguments
from mcp_server.surface import INSTRUCTIONS, tools
from mcp_server.tools import HANDLERS, Call

if TYPE_CHECKING:
    from backends.jobs.principals import Who
    from backends.studio import Studio

logger = logging.getLogger("reelwright")


class OpenedLater:
    """The Studio, opened by the first call that needs it: tools/list and a host's start-up check never do."""

    def __init__(self, settings: Settings | None) -> None:
        self._settings = settings
        self._opening = anyio.Lock()
        self._studio: Studio | None = None
        self.sessions = Sessions()

    async def studio(self, who: Who) -> Studio:
        """The Studio on a principal's behalf. VideoError when the data folder cannot be used."""
        if self._studio is None:
            async with self._opening:
                if self._studio is None:
                    self._studio = await to_thread.run_sync(self._open)
        return self._studio.on_behalf(who)

    def _open(self) -> Studio:
        from backends.studio import Studio

        return Studio.open(self._settings, client="mcp")

    async def close(self) -> None:
        if self._studio is not None:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(self._studio.drain)
                await to_thread.run_sync(self._studio.close)


Context = ServerRequestContext[OpenedLater]


class Surface:
    """The handlers of one server. max_wait_s: the longest wait_for_job that is published and accepted."""

    def __init__(self, max_wait_s: float) -> None:
        full = tools(max_wait_s)
        takers = _takers(full)
        self._checks = {tool.name: StrictArguments(tool.name, tool.input_schema, takers) for tool in full}
        self.tools = published(full)
        self._with_app = apps.with_app(self.tools)

    async def list_tools(self, context: Context, params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=self._with_app if _shows_apps(context) else self.tools)

    async def call_tool(self, context: Context, params: CallToolRequestParams) -> CallToolResult | InputRequiredResult:
        """Every failure becomes an answer that the model can read; only a cancellation passes through."""
        check = self._checks.get(params.name)
        if check is None:
            text = f"there is no tool {params.name[:60]!r}; there are {', '.join(self._checks)}"
            return refused(params.name, VideoError("not_found", text))
        try:
            return await self._call(context, check, params)
        except VideoError as error:
            return refused(params.name, error, params.arguments or {}, lambda call: not every_problem(check, call))
        except Exception as error:  # the one place where a defect of ours becomes an answer
            logger.exception("%s failed", params.name)
            return crashed(params.name, error)

    async def _call(
        self, context: Context, check: StrictArguments, params: CallToolRequestParams
    ) -> CallToolResult | InputRequiredResult:
        given = check.without_nulls(params.arguments or {})
        if problems := every_problem(check, given):
            if check.tool == "extend_clip" and "duration_s" in given and "add_s" not in given:
                studio = await context.lifespan_context.studio(caller(context.request))
                problems = await to_thread.run_sync(added_to, problems, given, studio.seconds_of)
            return illegal(check.tool, problems)
        who = caller(context.request)
        studio = await context.lifespan_context.studio(who)
        user = User(context.session, context.request_id, params)
        shown = context.lifespan_context.sessions.memory(session_of(context.request), who.name)
        call = Call(
            check.tool,
            studio,
            check.completed(given),
            context.session.report_progress,
            user,
            shown,
            _shows_apps(context),
        )
        return await HANDLERS[check.tool](call)

    async def list_resources(self, context: Context, params: PaginatedRequestParams | None) -> ListResourcesResult:
        return ListResourcesResult(resources=[*resources.LISTED, *([apps.RESOURCE] if _shows_apps(context) else [])])

    async def list_templates(
        self, context: Context, params: PaginatedRequestParams | None
    ) -> ListResourceTemplatesResult:
        carried = [resources.CARRIED] if _shows_apps(context) else []
        return ListResourceTemplatesResult(resource_templates=[*resources.TEMPLATES, *carried])

    async def read_resource(self, context: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
        uri = str(params.uri)
        if uri == apps.URI:
            return apps.read()
        studio = await context.lifespan_context.studio(caller(context.request))
        return await resources.read(studio, uri, _shows_apps(context))

    async def list_prompts(self, context: Context, params: PaginatedRequestParams | None) -> ListPromptsResult:
        return ListPromptsResult(prompts=list(prompts.LISTED))

    async def get_prompt(self, context: Context, params: GetPromptRequestParams) -> GetPromptResult:
        return prompts.get(params.name, params.arguments or {})


def build_server(settings: Settings | None = None) -> Server[OpenedLater]:
    """A server for any transport and both protocol eras. settings: default: from the environment.

    The transport decides who asks (`caller`): on stdio the owner, who sees and cancels everyone's jobs; over HTTP the
    principal of the token. A job records the client that requested it, by the name that the client gave itself.
    """

    @asynccontextmanager
    async def lifespan(server: Server[OpenedLater]) -> AsyncGenerator[OpenedLater]:
        later = OpenedLater(settings)
        try:
            yield later
        finally:
            await later.close()

    surface = Surface(_longest_wait(settings))
    server = Server(
        "reelwright",
        version=_version(),
        title="Reelwright",
        instructions=INSTRUCTIONS,
        lifespan=lifespan,
        get_tool_input_schema=_schema_of(surface.tools),
        on_list_tools=surface.list_tools,
        on_call_tool=surface.call_tool,
        on_list_resources=surface.list_resources,
        on_list_resource_templates=surface.list_templates,
        on_read_resource=surface.read_resource,
        on_list_prompts=surface.list_prompts,
        on_get_prompt=surface.get_prompt,
    )
    server.extensions[apps.EXTENSION] = {}
    return server


def _shows_apps(context: Context) -> bool:
    return apps.shows_apps(context.session.client_capabilities)


def _takers(known: tuple[Tool, ...]) -> dict[str, list[str]]:
    """For every argument the tools that take it, without estimate_cost, which takes them all and so is no hint."""
    takers: dict[str, list[str]] = {}
    for tool in known:
        if tool.name != "estimate_cost":
            for name in cast("dict[str, object]", tool.input_schema["properties"]):
                takers.setdefault(name, []).append(tool.name)
    return takers


def _schema_of(known: Sequence[Tool]) -> Callable[[str], Mapping[str, object] | None]:
    schemas: dict[str, Mapping[str, object]] = {tool.name: tool.input_schema for tool in known}
    return schemas.get


def _longest_wait(settings: Settings | None) -> float:
    """A broken config.toml is reported by the first call, where the model can read it, not by a dead server."""
    try:
        return (settings or load_settings()).max_wait_s
    except VideoError:
        return 50.0


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("reelwright")
    except PackageNotFoundError:
        return "0"
