"""A failure as a tool's answer: its kind, the reason, every problem, a remedy that works, and the call to make next."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import cast

from mcp_types import CallToolResult, TextContent

from backends import plain
from backends.errors import Next, Problem, VideoError, listing
from backends.problems import refuse
from mcp_server.consent import Declined
from mcp_server.problems import called, changed

Accepts = Callable[[Mapping[str, object]], bool]
"""Whether a tool's schema and the vocabulary accept a whole call."""

NEXT = {
    "invalid_request": "correct the arguments and call {tool} again; nothing was started, nothing was spent",
    "unsupported": "list_models shows what each model can do",
    "auth": "ask the user to set the key and to run `reelwright doctor` in a terminal",
    "quota": "ask the user, or choose another model with estimate_cost",
    "balance": "ask the user to top up the account, or choose another model with estimate_cost",
    "rate_limited": "the same call later, or another model from estimate_cost",
    "concurrency": "the same call when a running job has ended (list_jobs)",
    "moderation_input": "change the prompt or the input; the same request would be refused again",
    "model_retired": "list_models shows the models that are alive",
    "asset": "correct the input and call {tool} again; nothing was started, nothing was spent",
    "timeout": "list_jobs shows the current jobs",
    "network": "the same call once more: a repeated request is the same job",
    "submit_unknown": "do not start it again: list_jobs shows the job, and the user decides at a terminal",
    "needs_budget": "estimate_cost shows prices; raise max_cost_usd only as far as the user agrees",
    "wall": "ask for less, or tell the user: only they can change a spending limit",
    "consent": "this client cannot ask the user, and only they can agree: tell them the price and that setting, or "
    "choose a cheaper model with estimate_cost; nothing was started, nothing was spent",
    "conflict": "omit request_key, or give another one",
    "storage": "ask the user to run `reelwright doctor` in a terminal",
}
"""What to do after each kind of failure, unless the failure itself says it."""

SHOWS = {
    "list_models": "list_models shows all",
    "list_jobs": "list_jobs shows all jobs",
    "wait_for_job": "wait_for_job first",
    "image_to_video": "image_to_video starts from an image",
}
"""The use of a call that a failure names."""


def refusal(text: str, structured: Mapping[str, object] | None = None) -> CallToolResult:
    """An answer that the host marks as an error. Text and structured content are each complete."""
    cleaned = None if structured is None else cast("dict[str, object]", plain.cleaned(structured))
    return CallToolResult(content=[TextContent(text=plain.lines(text))], structured_content=cleaned, is_error=True)


def refused(
    tool: str,
    error: VideoError,
    given: Mapping[str, object] = MappingProxyType({}),
    accepts: Accepts | None = None,
) -> CallToolResult:
    """`kind: message`, the problems, the remedy and the next call.

    given: the call's arguments, so that fields get the caller's names. accepts: the tool's own check; a remedy is shown
    only when the check accepts the whole changed call (the back end has accepted it already).
    """
    problems = [one.named(called(given)) for one in error.problems]
    if error.lead is None:
        words = "\n- ".join((error.message, *(one.text for one in problems if one.text != error.message)))
    else:
        words = listing(error.lead, problems)
    lines = [plain.listed(f"{error.kind}: {words}")]
    if error.aside:
        lines.append(plain.one_line(error.aside))
    if error.charged != "no":
        lines.append(f"charged: {error.charged}")
    if error.retry_after_s is not None:
        lines.append(f"try again after {error.retry_after_s:g} s")
    structured = _structure(error, words, problems)
    call = changed(given, error.nearest)
    if error.nearest and accepts is not None and call != dict(given) and accepts(call):
        nearest = {name: call.get(name) for name in (*given, *call) if call.get(name) != given.get(name)}
        cost = f" ({error.cost})" if error.cost else ""
        lines.append(f"nearest that works: {plain.one_line(_as_arguments(nearest))}{cost}")
        structured |= {"nearest": nearest, "next": {"tool": tool, "arguments": call}}
    elif error.next is not None:
        structured["next"] = {"tool": error.next.tool, "arguments": dict(error.next.arguments)}
    if following := _following(tool, error):
        lines.append(f"next: {following}")
    return refusal("\n".join(lines), structured)


def _structure(error: VideoError, words: str, problems: Iterable[Problem]) -> dict[str, object]:
    """The content of the text, as data."""
    structured: dict[str, object] = {"kind": error.kind, "message": f"{words} {error.aside}".strip()}
    if listed := [{"field": one.field, "text": one.text} for one in problems]:
        structured["problems"] = listed
    if error.charged != "no":
        structured["charged"] = error.charged
    if error.retry_after_s is not None:
        structured["retry_after_s"] = error.retry_after_s
    return structured


def _following(tool: str, error: VideoError) -> str:
    if isinstance(error, Declined):
        return error.advice
    then = NEXT.get(error.kind, "").format(tool=tool)
    shows = SHOWS.get(error.next.tool, "") if error.next is not None else ""
    if error.kind == "asset" and shows:
        return f"{shows}; {then}"
    return then if error.kind in ("auth", "model_retired") else shows or then


def illegal(tool: str, problems: Iterable[Problem]) -> CallToolResult:
    """Every problem of a call's arguments, in the form of an invalid_request."""
    return refused(tool, refuse(problems))


def crashed(tool: str, error: Exception) -> CallToolResult:
    """A defect of ours: its name and nothing of its text, which may hold anything."""
    return refused(
        tool,
        VideoError(
            "provider",
            f"{tool} failed inside the server ({type(error).__name__}); its log has the details",
            next=Next("list_jobs"),
        ),
    )


def _as_arguments(nearest: Mapping[str, object]) -> str:
    """The changes to make, as arguments that the same tool takes."""
    return ", ".join(
        f"without {name}" if value is None else f"{name}={json.dumps(value, ensure_ascii=False, default=str)}"
        for name, value in nearest.items()
    )
