"""The tool table: names in their fixed order, and each tool's description and two schemas.

`tools(max_wait_s)` is pure data: nothing of the back end is opened to answer tools/list.
"""

from __future__ import annotations

from typing import get_args

from mcp_types import Tool, ToolAnnotations

from backends.jobs.views import State
from mcp_server import arguments, outputs
from mcp_server.arguments import Schema

INSTRUCTIONS = """\
Makes video clips as jobs: estimate_cost -> a starting tool (its Ticket comes at once) -> wait_for_job -> inspect_clip.
Media are named, never sent: an absolute path, an https URL, a job id, or video://jobs/JOB_ID/last_frame.
Money: a starting tool spends nothing unless you raise max_cost_usd above 0. The user's own limits stand above it.
Never start again to retry: the same request is the same job (replayed=true). Wait again; take=2 asks for a variant.
wait_for_job may return timed_out=true while the job goes on: call it again. Only cancel_job stops a job.
state=uncertain means a paid request may have been taken: the user decides at a terminal; don't start it again.
Look at a clip with inspect_clip before you call it done, then give the user its `file` path.
PREVIS (model animatic) is free previsualisation: no generative model made it. Say so."""
"""What a client shows its model once: the workflow, in eight lines."""

READS = ToolAnnotations(read_only_hint=True)
STARTS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=True)
STOPS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True)


def tools(max_wait_s: float = 50.0) -> tuple[Tool, ...]:
    """Every tool as published. max_wait_s: the longest wait_for_job, seconds."""
    return (
        _tool(
            "list_models",
            "Models: tasks, limits, price, typical seconds, and whether available here or why not.",
            arguments.list_models(),
            outputs.models(),
        ),
        _tool(
            "estimate_cost",
            "Free, starts nothing: the models that can do exactly this request, ranked, with cost low/high in USD. "
            "Give the arguments of the tool that you will call.",
            arguments.estimate_cost(),
            outputs.estimate(),
        ),
        *_starting(),
        _tool(
            "inspect_clip",
            "See a clip, alone or against another: facts, measures, contact sheet. An image: a grid to read boxes.",
            arguments.inspect_clip(),
            None,
        ),
        _tool("get_job", "A job as it is now.", arguments.one_job(), outputs.job()),
        _tool(
            "wait_for_job",
            "Wait for all (or any) of the jobs, at most timeout_s. timed_out=true: wait again. "
            "Ended jobs are shown in full once, others in rows. Ending a wait stops no job.",
            arguments.wait_for_job(max_wait_s),
            outputs.jobs(),
        ),
        _tool(
            "list_jobs",
            "Jobs, newest first, and the money spent so far.",
            arguments.list_jobs(("open", *get_args(State))),
            outputs.page(),
        ),
        _tool("cancel_job", "Stop a job; says whether billing stops.", arguments.one_job(), outputs.stopped(), STOPS),
    )


def _starting() -> tuple[Tool, ...]:
    """The five tools that start a job."""
    ticket = outputs.ticket()
    return (
        _tool(
            "generate_video",
            "Start a clip from a prompt, or restyle `clip`. Returns a Ticket at once: then wait_for_job. "
            "A repeated call is the same job, paid once.",
            arguments.starting("generate_video", "prompt"),
            ticket,
            STARTS,
        ),
        _tool(
            "image_to_video",
            "Start a clip from an image, moved by prompt, camera and motion regions (motion brush).",
            arguments.starting("image_to_video", "image"),
            ticket,
            STARTS,
        ),
        _tool(
            "interpolate_keyframes",
            "Start a clip through the given images.",
            arguments.starting("interpolate_keyframes", "frames"),
            ticket,
            STARTS,
        ),
        _tool(
            "extend_clip",
            "Start a clip that continues `clip` by add_s seconds; the result holds the whole clip.",
            arguments.starting("extend_clip", "clip", "add_s"),
            ticket,
            STARTS,
        ),
        _tool(
            "finish_clip",
            "Start one film of clips and images: cut, reframe, loop, sound, words, export. Free, no model.",
            arguments.finish_clip(),
            ticket,
            STARTS,
        ),
    )


def _tool(
    name: str, description: str, takes: Schema, gives: Schema | None, annotations: ToolAnnotations = READS
) -> Tool:
    return Tool(name=name, description=description, input_schema=takes, output_schema=gives, annotations=annotations)
