"""Which value of a workflow a request's field may mean, and why it is thought so. For the user to look at: nothing is
guessed when a clip is requested.

Order: nodes titled `@prompt`, `@seed` ...; then what leads to a sampler's `positive` and `negative`; then the names of
inputs that the core's nodes have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from backends.comfyui.binding import FIELDS, option_field
from backends.comfyui.graph import Graph, class_of, inputs, link, named, title_of

TEXTS = ("text", "prompt", "string", "value", "t5xxl")
SEEDS = ("seed", "noise_seed")
LENGTHS = ("length", "num_frames", "video_length", "frames")
SOUND = "frames_number"
IMAGES, CLIPS = ("LoadImage", "LoadImageOutput"), ("LoadVideo", "VHS_LoadVideo", "VHS_LoadVideoPath")
LAST = ("end_image", "last_image", "last_frame", "end_frame", "image_end")
SAVERS = ("SaveVideo", "SaveWEBM", "VHS_VideoCombine", "SaveAnimatedWEBP", "SaveAnimatedPNG")


@dataclass(frozen=True)
class Guess:
    """One value that a field may mean. why: in words."""

    field: str
    node: str
    input: str
    why: str


def guesses(graph: Graph) -> list[Guess]:
    """Every guess, the fields in the order of a binding; one that is titled `@FIELD` stands alone."""
    found: list[Guess] = []
    found += _titled(graph)
    told = {guess.field for guess in found}
    numbers = list(_numbers(graph))
    if not any(guess.field == "width" for guess in numbers):
        numbers += _plain_sizes(graph)
    for guess in (*_words(graph), *numbers, *_media(graph), *_controls(graph)):
        if guess.field not in told and guess not in found:
            found.append(guess)
    order = {name: place for place, name in enumerate(FIELDS)}
    return sorted(found, key=lambda one: order.get(one.field, len(order)))


def _plain(graph: Graph, node: str) -> dict[str, object]:
    """A node's own values."""
    return {key: value for key, value in inputs(graph[node]).items() if link(value) is None}


def _titled(graph: Graph) -> Iterator[Guess]:
    for name, node in graph.items():
        field = title_of(node).removeprefix("@")
        values = _plain(graph, name)
        if title_of(node).startswith("@") and field in FIELDS and values:
            key = next((key for key in (field, *TEXTS, *SEEDS, "image") if key in values), next(iter(values)))
            yield Guess(field, name, key, f"its node is titled @{field}")


def _words(graph: Graph) -> Iterator[Guess]:
    """The texts that lead to a sampler's or guider's conditioning."""
    seen: set[tuple[str, str]] = set()
    for name, node in graph.items():
        given = inputs(node)
        if "model" not in given and "guider" not in class_of(node).lower():
            continue
        for key, field in (("positive", "prompt"), ("negative", "negative_prompt"), ("conditioning", "prompt")):
            source = link(given.get(key))
            text = source and _text_before(graph, source, key, set())
            if text and (field, text[0]) not in seen:
                seen.add((field, text[0]))
                yield Guess(field, *text, f"{key} of node {named(graph, name)} comes from it")


def _text_before(graph: Graph, node: str, wanted: str, been: set[str]) -> tuple[str, str] | None:
    """The text that a conditioning is made of, upstream of a node."""
    if node in been:
        return None
    been.add(node)
    values, given = _plain(graph, node), inputs(graph[node])
    for key in TEXTS:
        if isinstance(values.get(key), str):
            return node, key
    for key in (wanted, *TEXTS, "conditioning", "positive"):
        source = link(given.get(key))
        if source is not None and (found := _text_before(graph, source, wanted, been)) is not None:
            return found
    return None


def _numbers(graph: Graph) -> Iterator[Guess]:
    for name in graph:
        given, values = inputs(graph[name]), _plain(graph, name)
        shown = named(graph, name)
        length = next((key for key in LENGTHS if key in given), None)
        if length is not None and {"width", "height"} <= set(given):
            for field, key in (("width", "width"), ("height", "height"), ("frames", length)):
                node, own = _source(graph, name, key)
                if own in _plain(graph, node):
                    yield Guess(field, node, own, f"node {shown} makes frames of that size")
        if SOUND in given:
            node, own = _source(graph, name, SOUND)
            if own in _plain(graph, node):
                yield Guess("frames", node, own, f"node {shown} makes the sound of so many frames")
        for key in SEEDS:
            if key in given and values.get("add_noise", "enable") in ("enable", True):
                node, own = _source(graph, name, key)
                if own in _plain(graph, node):
                    yield Guess("seed", node, own, f"node {shown} draws its noise from it")
        for key in ("fps", "frame_rate"):
            if key in given and (class_of(graph[name]) in SAVERS or class_of(graph[name]) == "CreateVideo"):
                node, own = _source(graph, name, key)
                if own in _plain(graph, node):
                    yield Guess("fps", node, own, f"node {shown} writes the clip with it")
        if "multiplier" in given and "images" in given:
            node, own = _source(graph, name, "multiplier")
            if own in _plain(graph, node):
                yield Guess("multiplier", node, own, f"node {shown} puts frames between")
        for key, option in (("steps", "steps"), ("cfg", "guidance")):
            if key in values and "model" in given:
                yield Guess(option_field(option), name, key, f"node {shown} has it")


def _plain_sizes(graph: Graph) -> Iterator[Guess]:
    """Sizes and frames of pictures, for a workflow without a video model."""
    for name in graph:
        values, kind = _plain(graph, name), class_of(graph[name])
        if kind in ("EmptyImage", "ImageScale") and {"width", "height"} <= set(values):
            shown = named(graph, name)
            yield Guess("width", name, "width", f"node {shown} has pictures of that size")
            yield Guess("height", name, "height", f"node {shown} has pictures of that size")
            if kind == "EmptyImage":
                yield Guess("frames", name, "batch_size", f"node {shown} makes so many pictures")


def _source(graph: Graph, node: str, key: str) -> tuple[str, str]:
    """Where a value lies: in the node, or in the primitive node that feeds it."""
    source = link(inputs(graph[node]).get(key))
    if source is not None and class_of(graph[source]).startswith("Primitive"):
        own = _plain(graph, source)
        return source, "value" if "value" in own else next(iter(own), "value")
    return node, key


def _media(graph: Graph) -> Iterator[Guess]:
    first, references = False, 0
    for name, node in graph.items():
        values = _plain(graph, name)
        if class_of(node) in CLIPS:
            key = next((key for key in ("file", "video") if key in values), None)
            if key is not None:
                yield Guess("source_clip", name, key, "it loads a clip")
        elif class_of(node) in IMAGES and "image" in values:
            used = [key for other in graph.values() for key, value in inputs(other).items() if link(value) == name]
            if any(key in LAST for key in used):
                yield Guess("last", name, "image", f"it goes to {', '.join(used)}")
            elif not first:
                first = True
                yield Guess("first", name, "image", f"it goes to {', '.join(used) or 'nothing'}")
            else:
                references += 1
                yield Guess(f"reference_{references}", name, "image", f"it goes to {', '.join(used) or 'nothing'}")


def _controls(graph: Graph) -> Iterator[Guess]:
    for name in graph:
        values, given = _plain(graph, name), inputs(graph[name])
        for key, field in (("tracks", "tracks"), ("track_coords", "tracks"), ("camera_pose", "camera_pose")):
            node, own = _source(graph, name, key) if key in given else (name, "")
            if own in _plain(graph, node):
                yield Guess(field, node, own, f"node {named(graph, name)} takes {key}")
                if field == "camera_pose" and "speed" in values:
                    yield Guess("camera_speed", name, "speed", f"node {named(graph, name)} takes the speed")


def savers(graph: Graph, output_classes: Mapping[str, bool]) -> list[str]:
    """The nodes that save a clip."""
    known = [name for name, node in graph.items() if class_of(node) in SAVERS]
    return known or [
        name for name, node in graph.items() if output_classes.get(class_of(node)) and "video" in class_of(node).lower()
    ]
