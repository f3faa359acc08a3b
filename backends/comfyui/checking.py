"""Whether a server can run the bound workflows (nodes, model files, values, boxes), before a clip is requested."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backends.catalog.loader import Catalog
from backends.catalog.schema.row import Mode, Row
from backends.catalog.schema.span import Span
from backends.comfyui import words
from backends.comfyui.backend import ComfyBackend
from backends.comfyui.binding import SUFFIX, Binding, files, load, option_field
from backends.comfyui.graph import class_of, inputs, link, named
from backends.comfyui.nodes import NodeClass, Value, lacking_nodes, missing_files
from backends.comfyui.seen import Looks
from backends.comfyui.servers import Server, data_folder
from backends.errors import VideoError


@dataclass(frozen=True)
class Verdict:
    """One workflow at one server. problems: a sentence each; none = it can be used. own: it is the user's."""

    model: str
    problems: tuple[str, ...]
    own: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ServerFound:
    """One server. version: "" where it does not answer, and why."""

    url: str
    version: str = ""
    why: str = ""
    verdicts: tuple[Verdict, ...] = ()

    @property
    def usable(self) -> list[str]:
        return [one.model for one in self.verdicts if not one.problems]


async def look(env: Mapping[str, str], server: Server, catalog: Catalog, only: Sequence[str] = ()) -> ServerFound:
    """Ask a server, judge every binding (or those named), and keep what was found for whoever lists models."""
    backend = ComfyBackend(env, server.url)
    try:
        version = await backend.nodes.version()
        known = await backend.nodes.all()
    except VideoError as error:
        return ServerFound(server.url, why=error.message)
    finally:
        await backend.aclose()
    verdicts: list[Verdict] = []
    for path in files(env):
        name = path.name.removesuffix(SUFFIX)
        if only and name not in only:
            continue
        own = path.parent == data_folder(env)
        verdicts.append(_verdict(name, path, own, known, catalog))
    Looks.of(env).keep(server.url, {one.model: "; ".join(one.problems) for one in verdicts})
    return ServerFound(server.url, version, verdicts=tuple(verdicts))


def _verdict(name: str, path: Path, own: bool, known: Mapping[str, NodeClass], catalog: Catalog) -> Verdict:
    model = f"comfyui/{name}"
    left_out = [one.why for one in catalog.broken if one.path == path]
    if left_out:
        return Verdict(model, tuple(left_out), own)
    try:
        binding = load(path)
    except VideoError as error:
        return Verdict(model, (error.message,), own)
    row = catalog.find(model)
    if row is None:
        return Verdict(model, (f"{path.name}: its [[model]] is called otherwise: id = {model!r}",), own)
    changed = ("the workflow has been changed since it was bound; every value was found in it again",)
    return Verdict(model, tuple(problems(binding, row, known)), own, changed if binding.is_changed else ())


def problems(binding: Binding, row: Row, known: Mapping[str, NodeClass]) -> Iterator[str]:
    """What stands in the way of a binding at a server with these node classes."""
    graph = binding.graph
    if lacking := [kind for kind in dict.fromkeys(map(class_of, graph.values())) if kind not in known]:
        yield f"it lacks {lacking_nodes(lacking, binding.packages)}"
        yield from promises(binding, row)
        return
    if paid := sorted({class_of(node) for node in graph.values() if known[class_of(node)].is_paid}):
        yield f"it holds API nodes ({', '.join(paid)}), which spend money: it is never run"
    wanted = {need.file: need for need in binding.needs}
    for text in missing_files(graph, known):
        source = next((need for name, need in wanted.items() if name in text), None)
        yield text + (f" (from {source.url}, {source.licence or 'licence unknown'})" if source and source.url else "")
    yield from _values(binding, known)
    yield from promises(binding, row)
    yield from _boxes(binding, row, known)


def _values(binding: Binding, known: Mapping[str, NodeClass]) -> Iterator[str]:
    """Values that the server's nodes do not take, and bound ones that they do not have."""
    bound = {spot: name for name, spots in binding.places.items() for spot in spots}
    for node, told in binding.graph.items():
        values = known[class_of(told)].values
        for key, value in inputs(told).items():
            spec = values.get(key)
            if spec is None and (node, key) in bound:
                yield f"node {named(binding.graph, node)} has no {key} in this version: {bound[node, key]} goes nowhere"
            elif spec is not None and link(value) is None and (node, key) not in bound:
                yield from _value(f"node {named(binding.graph, node)}: {key}", spec, value)


def drafted(binding: Binding, known: Mapping[str, NodeClass]) -> Iterator[str]:
    """Numbers of the workflow itself, where a request's are to go, that its node does not take."""
    for node, key in dict.fromkeys(spot for spots in binding.places.values() for spot in spots):
        told = known.get(class_of(binding.graph[node]))
        if told is not None and (spec := told.values.get(key)) is not None and spec.is_number:
            value = inputs(binding.graph[node]).get(key)
            yield from _value(f"node {named(binding.graph, node)}: {key}", spec, value)


def _value(what: str, spec: Value, value: object) -> Iterator[str]:
    if spec.is_number and isinstance(value, int | float):
        if spec.low is not None and value < spec.low:
            yield f"{what} is {value}, at least {spec.low:g} is taken"
        elif spec.high is not None and value > spec.high:
            yield f"{what} is {value}, at most {spec.high:g} is taken"
    elif (
        spec.kind == "COMBO"
        and isinstance(value, str)
        and spec.choices
        and value not in spec.choices
        and not value.endswith(words.MODEL_FILES)
    ):
        yield f"{what} is {value!r}: it takes {', '.join(spec.choices[:8])}"


def promises(binding: Binding, row: Row) -> Iterator[str]:
    """What a box of the row promises and the binding has no place for."""
    has = {name for name, spots in binding.places.items() if spots}
    for number, mode in enumerate(row.modes, 1):
        wanted: list[tuple[bool, str, str]] = [
            (mode.prompt_followed and mode.prompt_required, "prompt", "a prompt that is followed"),
            (mode.negative_max > 0, "negative_prompt", "negative_max"),
            (mode.seed, "seed", "seed"),
            (mode.fps_times > 0, "multiplier", "fps_times"),
            (mode.fps_times > 0, "fps", "fps_times"),
            (mode.frames.high >= 1, "first", "frames"),
            (mode.frames.high >= 2 or mode.loop != "none", "last", "a last frame or a loop"),
            (mode.motion > 0, "tracks", "motion"),
            (mode.camera.how == "native", "camera_pose", "a native camera"),
            (mode.loras > 0, f"lora_{mode.loras}", "loras"),
            (bool(mode.tasks & {"edit", "upscale", "extend"}), "source_clip", "a source clip"),
            *((True, option_field(name), f"options.{name}") for name in mode.options),
        ]
        for asked, name, said in wanted:
            if asked and name not in has:
                yield f"mode {number} promises {said}, and bind has no {name}"
        if mode.durations is not None and not has & {"frames", "seconds"}:
            yield f"mode {number} promises durations, and bind has neither frames nor seconds"
        if mode.camera.how == "native" and (without := sorted(mode.camera.moves - set(binding.camera))):
            yield f"mode {number} promises the camera moves {', '.join(without)}, which bind.camera has not"


def _boxes(binding: Binding, row: Row, known: Mapping[str, NodeClass]) -> Iterator[str]:
    """Sizes and lengths of the boxes that the node's own steps do not allow."""
    for mode in row.modes:
        for size in mode.sizes:
            for name, pixels in (("width", size.width), ("height", size.height)):
                for node, key in binding.places.get(name, ()):
                    spec = known[class_of(binding.graph[node])].values.get(key)
                    if pixels and spec is not None:
                        yield from _value(f"{size.width}x{size.height}: {name}", spec, pixels)
                        if step := off_step(spec, pixels):
                            yield f"{size.width}x{size.height}: {name} goes in steps of {step:g}"
        yield from _lengths(binding, mode, known)


def _lengths(binding: Binding, mode: Mode, known: Mapping[str, NodeClass]) -> Iterator[str]:
    if mode.durations is None or mode.fps is None:
        return
    spots = zip(binding.selectors.get("frames", ()), binding.places.get("frames", ()), strict=True)
    for selector, (node, key) in spots:
        spec = known[class_of(binding.graph[node])].values.get(key)
        for seconds in some(mode.durations):
            for fps in mode.fps.values or (mode.fps.default,):
                frames = seconds * fps + selector.plus
                whole = round(frames)
                if abs(frames - whole) > 1e-3:
                    yield f"{seconds:g} s at {fps:g} fps is no whole number of frames"
                elif spec is not None and (step := off_step(spec, whole)):
                    yield f"{seconds:g} s at {fps:g} fps is {whole} frames, and {key} goes in steps of {step:g}"


def some(span: Span) -> tuple[float, ...]:
    """Lengths of a span that show whether all are right: its ends, its default and the second one."""
    second = (span.low + span.step,) if span.step else ()
    return tuple(dict.fromkeys((*(span.values or (span.smallest, *second, span.largest)), span.default)))


def off_step(spec: Value, value: float) -> float:
    """The node's step where a value does not lie on it; 0.0 where it does."""
    if not spec.step or spec.low is None or spec.step < 1:
        return 0.0
    past = (value - spec.low) % spec.step
    return spec.step if min(past, spec.step - past) > 1e-6 else 0.0
