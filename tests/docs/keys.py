"""The tables of docs/catalogue-files.md: each key with its type, values and default as the reader has them
(`backends/catalog/schema/reading.py`), and what it means, which is written here and held complete by a test."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from backends.catalog.schema import reading

TYPES = {
    "text": "text",
    "texts": "list of texts",
    "word": "one of",
    "words": "list of",
    "number": "number",
    "numbers": "list of numbers",
    "fraction": "number, or a fraction as text",
    "whole": "whole number",
    "flag": "true or false",
    "day": "date",
    "money": "US dollars",
    "table": "table",
    "tables": "list of tables",
    "plain": "table",
    "raw": "",
}
"""What the reader's methods take."""
NEEDED = ("text", "word", "number", "whole", "money")
"""Methods that fail without a value, unless they are given a default."""


@dataclass(frozen=True)
class Section:
    """A table of a catalogue file. readers: the functions, and the variable in each, that read it. meanings: by key.
    shapes: where the reader's method does not say what a key takes."""

    name: str
    readers: tuple[tuple[str, str], ...]
    meanings: Mapping[str, str]
    shapes: Mapping[str, str]


ROW = Section(
    "row",
    (("read_row", "top"), ("_list_complete", "top")),
    {
        "id": "`provider/model`; needed. The same id as a shipped row overrides that row, key by key",
        "provider": "the back end that serves it; default: the file's, else what stands before the `/`",
        "title": "the name that people read; needed",
        "engine": "what makes the clip: a generative model, the previsualisation, or an edit without a model",
        "where": "where it runs; `local` also stands for a server of your own",
        "state": "`retired` rows refuse every request and name their successor",
        "family": "rows of one family are the same model on different routes; default: the id",
        "aliases": "further names of this very model",
        "retire_on": "the day on which it stops",
        "retire_checked": "whether the provider itself announced that day",
        "successor": "the model that follows it",
        "why_retired": "a sentence for the refusal",
        "alternatives": "models to name beside the successor",
        "licence": "of the model, or `commercial API`",
        "territory": "where it may not be used",
        "typical": "how long a clip usually takes; see below",
        "watermark": "`none`, or what is put into the picture",
        "strengths": "what it is picked for; searched by `models --query`",
        "tier": "quality, 1 (best of its day) to 5",
        "compliance": "what the provider certifies",
        "tested": "how it was tried, with the date; empty: not at all",
        "limits": "what the provider allows at a time; see below",
        "list": '`"complete"`: the provider\'s list shows every job at once',
        "list_source": "on whose word that is; needed with `list`",
        "wire": "how a request is written for the service; see below",
        "facts": "figures for the back end itself, such as a local model's repository",
        "notes": "sentences that go into every job of this model",
        "mode": "the modes; at least one, unless it is retired",
        "box": "what all modes share: any key of a mode",
        "price": "the price of modes without their own; see below",
        "sources": "where the facts come from; see below",
    },
    {"mode": "list of tables", "sources": "list of tables, or names of the file's `[sources.NAME]`"},
)
TYPICAL = Section(
    "typical",
    (("read_row", "typical"),),
    {"base_s": "seconds for any clip", "per_second": "seconds more for each second of clip"},
    {},
)
LIMITS = Section(
    "limits",
    (("read_row", "limits"),),
    {
        "concurrency": "jobs at a time; 0: not known",
        "per_minute": "requests a minute; 0: not known",
        "per_day": "requests a day; 0: not known",
    },
    {},
)
SOURCE = Section(
    "sources",
    (("_source", "table"),),
    {
        "about": "which facts",
        "text": "where they were read",
        "date": "when; needed, without quotes",
        "verified": "whether that was checked",
    },
    {},
)
MODE = Section(
    "mode",
    (("_mode", "table"), ("_camera", "table"), ("_sizes", "table")),
    {
        "tasks": "what this mode does; needed",
        "durations": 'seconds; needed. `"source"`: as long as the source clip',
        "sizes": "by resolution, then by aspect ratio; needed. The first is the default",
        "fps": "frames a second; left out: the service chooses",
        "fps_times": "how many times the source clip's frames a second can be requested, at most",
        "audio": "`switch`: a request may choose; `source`: the source clip's is kept; `unknown`: nobody says",
        "audio_default": "with `switch`: when a request says nothing",
        "frames": "images that the clip starts from or passes through; see below",
        "references": "reference images and clips; see below",
        "source": "the clip that an extension or edit starts from; see below",
        "camera": "how camera moves reach the model; see below",
        "motion": "motion regions that it takes",
        "loop": "how a seamless loop is made",
        "effects": "its named effects",
        "effect_required": "whether one must be named",
        "styles": "its own named styles; any other style goes into the prompt as words",
        "loras": "LoRA files that it takes",
        "seed": "whether it takes a seed",
        "seed_default": "the seed that it uses when none is given",
        "seed_max": "the largest seed",
        "prompt_required": "whether a request needs a prompt",
        "prompt_followed": "whether the model follows it",
        "prompt_max": "characters of a prompt",
        "prompt_utf16": "whether characters beyond the basic plane count twice",
        "negative_max": "characters of a negative prompt; 0: it takes none",
        "options": "its own options, each a table; see below",
        "wire": "laid over the row's `wire`",
        "price": "its own price; see below",
    },
    {
        "durations": 'list of numbers (the first is the default), a range, or `"source"`',
        "fps": "list of numbers, or a range",
        "sizes": "table of tables, or the name of the file's `[sizes.NAME]`",
        "camera": '`"words"`, `"none"`, or a table',
    },
)
SPAN = Section(
    "range",
    (("_span", "inner"),),
    {
        "min": "the smallest; above 0",
        "max": "the largest",
        "step": "0: any number between",
        "default": "when a request says nothing; left out: the smallest",
        "also": "legal values besides",
    },
    {},
)
SIZE = Section(
    "size",
    (("_sizes", "pair"),),
    {"px": "pixels, as `1280x720`", "wire": "the service's word for it, where width and height do not say it"},
    {},
)
FRAMES = Section(
    "frames",
    (("_frames", "table"),),
    {
        "min": "images that it needs",
        "max": "images that it takes",
        "timed": "whether a request may choose when each is reached",
        "gap_s": "seconds between two at least",
        "grid_s": "times are multiples of this",
        "whole": "the first stands at 0 and the last at the end",
        "prompts": "whether each may have its own prompt",
        "holds": "whether each may be held, with its own camera",
        "ratio_min": "the narrowest image, width / height; 0: unknown",
        "ratio_max": "the widest image; 0: unknown",
        "min_side": "the shorter side at least, pixels",
    },
    {},
)
REFERENCES = Section(
    "references",
    (("_references", "table"),),
    {
        "images": "images that it takes",
        "clips": "clips that it takes",
        "min": "how many it needs in all",
        "max": "how many it takes in all; left out: both kinds together",
        "clip_max_s": "the longest clip, seconds; 0: unknown",
    },
    {},
)
SOURCE_RULE = Section(
    "source",
    (("_source_rule", "table"),),
    {
        "min_s": "the shortest clip that it takes, seconds",
        "max_s": "the longest, seconds; 0: unknown",
        "total_max_s": "the longest result of an extension, seconds",
    },
    {},
)
CAMERA = Section(
    "camera",
    (("_camera", "inner"),),
    {
        "how": "`native`: fields of the service; `words`: put into the prompt, and a note says so",
        "moves": "the moves that are native",
        "timed": "whether a move may have its own from and to",
        "max": "moves at a time",
        "tokens": "the model's own words for moves, by move",
        "unasked": "the move that is made where none was requested",
        "left_out": "what is said beforehand then; needed with `unasked`",
    },
    {"moves": '`"all"`, or a list of moves'},
)
OPTION = Section(
    "options",
    (("_option", "table"),),
    {
        "type": "what a value is; needed",
        "values": "the only legal values",
        "min": "the smallest",
        "max": "the largest",
        "why": "why no other value is legal, for whoever asks for one",
        "about": "one line for the listing",
    },
    {"values": "list"},
)
PRICE = Section(
    "price",
    (("_price", "table"),),
    {
        "unit": "needed. `unknown` is never taken for 0",
        "rates": "the first that matches a request holds; see below",
        "minimum_s": "seconds that are billed at least",
        "step_s": "seconds are rounded up to multiples of this",
        "hold_s": "seconds that are charged first and partly refunded",
        "credit_usd": "what one credit costs; amounts are rounded up to whole credits then",
        "surcharges": "see below",
        "bills": "for an extension: the added seconds, or the whole clip's",
        "bills_references": "whether the seconds of reference clips are billed too",
        "date": "of the price list; needed for `per_second` and `per_clip`",
        "source": "where the price was read; needed likewise",
        "verified": "read at the provider itself, not at a reseller",
    },
    {},
)
RATE = Section(
    "rates",
    (("_rate", "table"),),
    {
        "usd": "for one second or clip; needed",
        "resolution": "only for these resolutions",
        "audio": "only with (or without) sound",
        "duration_s": "only for these lengths",
        "tasks": "only for these tasks",
    },
    {"usd": 'number, or a span such as `"0.02-0.03"`'},
)
SURCHARGE = Section(
    "surcharges",
    (("_price", "extra"),),
    {"usd": "for every image over `over_images`; needed", "over_images": "images that cost nothing more; needed"},
    {},
)
SECTIONS = (
    *(ROW, TYPICAL, LIMITS, SOURCE, MODE, SPAN, SIZE, FRAMES, REFERENCES, SOURCE_RULE, CAMERA, OPTION),
    *(PRICE, RATE, SURCHARGE),
)


@dataclass(frozen=True)
class Key:
    """A key as the code reads it. takes: its type and values, in words. default: "" = it must be given or has none.
    method: the reader's. legal: the words that it may be. needed: it must be given."""

    name: str
    takes: str
    default: str
    method: str = ""
    legal: tuple[str, ...] = ()
    needed: bool = False


def read_keys() -> dict[tuple[str, str], dict[str, Key]]:
    """What the code reads, by function and variable."""
    found: dict[tuple[str, str], dict[str, Key]] = {}
    for function in ast.parse(inspect.getsource(reading)).body:
        if isinstance(function, ast.FunctionDef):
            for variable, key in _calls(function):
                known = found.setdefault((function.name, variable), {})
                if key.name not in known or not known[key.name].takes:
                    known[key.name] = key
    return found


def _calls(function: ast.FunctionDef) -> Iterator[tuple[str, Key]]:
    """Every `table.number("key", default)` of a function, and every `_span(table, "key")`."""
    looked_for = {_key_looked_for(node) for node in ast.walk(function)}
    for node in ast.walk(function):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        of, args = node.func, node.args
        if isinstance(of, ast.Attribute) and isinstance(of.value, ast.Name) and of.attr in TYPES:
            if isinstance(args[0], ast.Constant) and isinstance(args[0].value, str):
                takes, default, legal = _said(of.attr, args[1:])
                optional = args[0].value in looked_for
                given = [*args[1:], *node.keywords][1 if of.attr in ("word", "words") else 0 :]
                needed = of.attr in NEEDED and not given and not optional
                yield (
                    of.value.id,
                    Key(args[0].value, takes, "" if optional else default, of.attr, tuple(legal), needed),
                )
        elif isinstance(of, ast.Name) and of.id == "_span" and isinstance(args[1], ast.Constant):
            yield ast.unparse(args[0]), Key(str(args[1].value), "", "")


def _key_looked_for(node: ast.AST) -> str:
    """The key of `"key" in table`: what is read only where it is given has no default."""
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In) and isinstance(node.left, ast.Constant):
        return str(node.left.value)
    return ""


def _said(method: str, args: list[ast.expr]) -> tuple[str, str, list[str]]:
    """Type and default in words, and the legal ones where it is one of some."""
    takes, legal = TYPES[method], list[str]()
    if method in ("word", "words"):
        legal = list(eval(ast.unparse(args[0]), vars(reading)))
        takes = f"{takes} {', '.join(f'`{word}`' for word in legal)}"
        args = args[1:] if len(legal) > 1 else []
    try:
        default: object = eval(ast.unparse(args[0]), vars(reading)) if args else ""
    except NameError:  # another key's value, which the meaning tells
        default = ""
    shown = str(default).lower() if isinstance(default, bool) else str(default)
    return takes, f"`{shown}`" if shown else "", legal


def keys_of(section: Section) -> dict[str, Key]:
    """The keys of one table."""
    read = read_keys()
    keys: dict[str, Key] = {}
    for reader in section.readers:
        for name, key in read[reader].items():
            if not keys.get(name) or not keys[name].takes:
                keys[name] = key
    return keys


def table_of(section: Section) -> str:
    """The keys of one table, in the order of the meanings."""
    keys = keys_of(section)
    lines = ["| key | takes | default | meaning |", "|---|---|---|---|"]
    for name, meaning in section.meanings.items():
        takes = section.shapes.get(name) or keys[name].takes
        lines.append(f"| `{name}` | {takes} | {keys[name].default} | {meaning} |")
    return "\n".join(lines)
