"""A failure as a tool's answer: its kind, the reason, every problem, and the call to make next."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import cast

from mcp_types import CallToolResult, TextContent

from backends import plain
from backends.errors import VideoError
from backends.request import refuse
from mcp_server.asked import as_argued
from mcp_server.consent import Declined

NEXT = {
    "invalid_request": "correct the arguments and call {tool} again; nothing was started, nothing was spent",
    "unsupported": "list_models shows what each model can do",
    "auth": "ask the person to set the key and to run `reelwright doctor` in a terminal",
    "quota": "ask the person, or choose another model with estimate_cost",
    "balance": "ask the person to top up the account, or choose another model with estimate_cost",
    "rate_limited": "the same call later, or another model from estimate_cost",
    "concurrency": "the same call when a running job has ended (list_jobs)",
    "moderation_input": "change the prompt or the input; the same request would be refused again",
    "model_retired": "list_models shows the models that are alive",
    "asset": "correct the input and call {tool} again; nothing was started, nothing was spent",
    "timeout": "list_jobs shows what is going on",
    "network": "the same call once more: a repeated request is the same job",
    "submit_unknown": "do not start it again: list_jobs shows the job, and the person decides at a terminal",
    "needs_budget": "estimate_cost shows prices; raise max_cost_usd only as far as the person agrees",
    "wall": "ask for less, or tell the person: only they can change a spending limit",
    "consent": "this client cannot ask the person, and only they can agree: tell them the price and that setting, or "
    "choose a cheaper model with estimate_cost; nothing was started, nothing was spent",
    "conflict": "leave request_key out, or give another one",
    "storage": "ask the person to run `reelwright doctor` in a terminal",
}
"""What to do after each kind of failure, unless the failure itself says it (as every not_found does)."""


def refusal(text: str) -> CallToolResult:
    """An answer that the host marks as an error. Text alone: structured content would hide it in some hosts."""
    return CallToolResult(content=[TextContent(text=plain.lines(text))], is_error=True)


def refused(tool: str, error: VideoError, given: Mapping[str, object] = MappingProxyType({})) -> CallToolResult:
    """`kind: message`, the problems that the message leaves out, and the next call.

    given: the call's arguments, so that a field is called by the name that the caller wrote.
    """
    lines = [plain.listed(f"{error.kind}: {as_argued(given, error.message)}")]
    lines += [
        plain.one_line(f"- {as_argued(given, problem)}") for problem in error.problems if problem not in error.message
    ]
    if error.charged != "no":
        lines.append(f"charged: {error.charged}")
    if error.retry_after_s is not None:
        lines.append(f"try again after {error.retry_after_s:g} s")
    if error.nearest:
        lines.append(f"nearest that works: {plain.one_line(_as_arguments(error.nearest, given))}")
    following = error.next if isinstance(error, Declined) else NEXT.get(error.kind, "").format(tool=tool)
    if following:
        lines.append(f"next: {following}")
    return refusal("\n".join(lines))


def illegal(tool: str, problems: Iterable[str]) -> CallToolResult:
    """Every problem of a call's arguments, in the shape of an invalid_request."""
    return refused(tool, refuse(problems))


def crashed(tool: str, error: Exception) -> CallToolResult:
    """A defect of ours: its name and nothing of its text, which may hold anything."""
    return refusal(
        f"provider: {tool} failed inside the server ({type(error).__name__}); its log has the details\n"
        "next: list_jobs shows whether a job was started; a repeated request is the same job"
    )


def _as_arguments(nearest: Mapping[str, object], given: Mapping[str, object]) -> str:
    """The changes to make, as arguments that the same tool takes: nothing that its schema would refuse."""
    return ", ".join(_change(name, value, given) for name, value in nearest.items())


def _change(name: str, value: object, given: Mapping[str, object]) -> str:
    name = {"source_clip": "clip", "duration_s": "add_s" if "add_s" in given else name}.get(name, name)
    if value is None or value in ([], {}):
        return f"without {name}"
    if name == "frames" and isinstance(value, list):
        stills = cast("list[dict[str, object]]", value)
        if "image" in given and len(stills) == 1:
            name, value = "image", stills[0]["image"]
        else:  # a still's role follows from its place here
            value = [{part: of for part, of in still.items() if part != "role"} for still in stills]
    return f"{name}={json.dumps(value, ensure_ascii=False, default=str)}"
