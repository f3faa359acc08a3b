"""The tables of docs/settings.md. What each setting means is written here; that none is missing, that none is made up,
and the defaults are held against the code by tests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from backends.jobs.money.limits import DEFAULTS, LIMITS
from backends.provider.keys import address_variables
from backends.provider.registry import registry

ROOT = Path(__file__).parents[2]
PRODUCT = ("backends", "mcp_server", "notebook_ext")

NAMED = re.compile(r"(?<![_A-Z])REELWRIGHT_([A-Z_]+)")
NUMBER = re.compile(r"""\.number\(\s*"([A-Z_]+)",\s*([\w.]+|\(.*?\) // 2)""")
FILE_KEY = re.compile(r"""\bvalue\("([a-z_]+)\"""")
PLACEHOLDERS = {"NAME"}
"""What stands for any name in the code's own comments."""

EVERYDAY: Mapping[str, str] = {
    "HOME": "The data folder: the store, kept inputs and clips, keys, logs. Whole path; a local disk for paid work.",
    "STORE": "A PostgreSQL server that keeps the jobs of several machines, `postgresql://USER@HOST/DATABASE`: see "
    "[shared-store.md](shared-store.md).",
    "ARTIFACTS": "An S3-compatible bucket that keeps clips and inputs for several machines, `s3://BUCKET/PREFIX`: see "
    "[shared-store.md](shared-store.md#files-in-a-bucket).",
    "OUTPUT_DIR": "Where finished clips are put for you, as `LABEL_takeNN.mp4`.",
    "INPUT_ROOTS": "More folders that input files may come from, separated as in `PATH`.",
    "CATALOG": "More folders with catalogue files of your own, separated as in `PATH`.",
    "LOCAL_DEVICE": "The GPUs for local models, by number or UUID, separated by commas; `cpu` computes on the "
    "processor (hours for a clip).",
    "RAY": "A Ray cluster whose GPUs local models use, `HOST:PORT` of its head or `local`: see "
    "[cluster.md](cluster.md).",
    "HTTP_TOKEN": "The bearer token of `reelwright serve --http`; needed for any address but loopback, 16 characters "
    "or more.",
    "HTTP_ISSUER": "Who issues tokens (OAuth 2) for `reelwright serve --http`, as their `iss` writes it: "
    "see [people.md](people.md).",
    "HTTP_URL": "The public https address of this server's `/mcp`, needed with an issuer.",
    "HTTP_AUDIENCE": "The audience that its tokens must name.",
    "HTTP_SCOPES": "The scopes that each token must bring, separated by spaces.",
    "YES": "What a script of yours may decide without a terminal: `raise-limits`, `resolve-jobs`, separated by commas. "
    "Do not set it where an agent can run commands.",
    "WORKER": "`detached` (jobs go on in a process of their own) or `inline` (in the client itself).",
    "MAX_WAIT_S": "The longest `wait_for_job`, in seconds.",
}
EVERYDAY_DEFAULTS: Mapping[str, str] = {
    "HOME": "your user data folder",
    "STORE": "a file in the data folder",
    "ARTIFACTS": "the data folder alone",
    "OUTPUT_DIR": "your videos folder",
    "INPUT_ROOTS": "none",
    "CATALOG": "none",
    "LOCAL_DEVICE": "all of the first one's model",
    "RAY": "this machine's own",
    "HTTP_TOKEN": "none",
    "HTTP_ISSUER": "none",
    "HTTP_URL": "none",
    "HTTP_AUDIENCE": "the public address",
    "HTTP_SCOPES": "none",
    "YES": "none",
    "WORKER": "detached",
    "MAX_WAIT_S": "50",
}

TUNING: Mapping[str, str] = {
    "WORKER_IDLE_S": "A worker leaves after so long without an open job or a loaded model.",
    "WARM_S": "A loaded local model is unloaded after so long without a job.",
    "WARM_MODELS": "Models that may be loaded on one device at a time.",
    "CPU_JOBS": "Local jobs that run at once on the processor.",
    "TORCH_THREADS": "Threads of torch on the processor.",
    "POLL_EVERY_S": "The pause between two status checks of a paid job, before back-off.",
    "BEAT_S": "How often a worker says that it is alive.",
    "STUCK_S": "After so long without that, a worker counts as stuck and another takes over.",
    "DOUBT_S": "A bad answer of a provider is checked again for so long (or a multiple) before it is believed.",
    "SETTLE_S": "The first look for a paid request whose answer was lost comes after so long.",
    "BUCKET_S": "How long one request to the bucket may take.",
    "BUCKET_AGAIN_S": "A job that waits for a bucket looks again after so long, then ever later, up to 5 minutes.",
    "CACHE_GB": "How much of a bucket may lie in the data folder, in GB: what was not used for longest makes room.",
    "ANSWER_S": "How long `reelwright doctor` waits for each provider's answer.",
    "HTTP_IDLE_S": "An HTTP session without a request for so long ends.",
    "STATE": "Another folder for the notes of which data folders use the same account.",
    "CRASH": "For this project's own tests: names a place at which the process ends itself.",
}
TUNING_DEFAULTS: Mapping[str, str] = {
    "CPU_JOBS": "half of the cores",
    "TORCH_THREADS": "torch's own",
    "STATE": "your user state folder",
    "CRASH": "none",
}
"""Of those whose default is no number in the code."""

KEY_NOTES: Mapping[str, str] = {
    "openai": "any server with `/v1/videos`; one of your own may need no key",
    "gemini": "either key",
    "kling": "the first, or the other two",
    "vertex": "the first two, with application default credentials (the third names their file)",
}
ADDRESS_NOTES: Mapping[str, str] = {"openai": "ends in `/v1`"}

FILE_KEYS: Mapping[str, str] = {
    "store": "STORE",
    "artifacts": "ARTIFACTS",
    "output_dir": "OUTPUT_DIR",
    "ray": "RAY",
    "worker": "WORKER",
    "max_wait_s": "MAX_WAIT_S",
    "input_roots": "INPUT_ROOTS",
    "catalog": "CATALOG",
}
"""Keys of config.toml, and the variable that goes before each."""


def sources() -> Iterator[str]:
    """The text of every file of the product."""
    for package in PRODUCT:
        for file in sorted((ROOT / package).rglob("*.py")):
            yield file.read_text("utf-8")


def variables() -> set[str]:
    """Every REELWRIGHT_ variable that the code names, without that prefix."""
    found: set[str] = set()
    for text in sources():
        found.update(NAMED.findall(text))
        found.update(name for name, _ in NUMBER.findall(text))
        found.update(key.upper() for key in FILE_KEY.findall(text) if "def load_settings" in text)
    addresses = {name.removeprefix("REELWRIGHT_") for name in address_variables()}
    return found - PLACEHOLDERS | addresses


def file_keys() -> set[str]:
    """Every key of config.toml that the code reads."""
    return {key for text in sources() if "def load_settings" in text for key in FILE_KEY.findall(text)}


def numbers() -> dict[str, str]:
    """The defaults that are numbers in the code, by variable."""
    texts = list(sources())
    found: dict[str, str] = {"HTTP_IDLE_S": _constant("DEFAULT_IDLE_S", texts)}
    for text in texts:
        for name, default in NUMBER.findall(text):
            if default.replace(".", "").replace("_", "").isalnum():
                found[name] = _constant(default.rpartition(".")[2], [text, *texts])
    return found


def _constant(name: str, texts: list[str]) -> str:
    """The value of a constant: of the first file that sets it."""
    for text in texts:
        if shape := re.search(rf"^{name}(?:: \w+)? = ([\d_.]+)", text, re.M):
            return f"{float(shape[1]):g}"
    raise LookupError(name)


def _rows(named: Mapping[str, str], defaults: Mapping[str, str]) -> str:
    lines = ["| variable | default | what it does |", "|---|---|---|"]
    return "\n".join(
        [*lines, *(f"| `REELWRIGHT_{name}` | {defaults[name]} | {text} |" for name, text in named.items())]
    )


def everyday() -> str:
    return _rows(EVERYDAY, EVERYDAY_DEFAULTS)


def tuning() -> str:
    return _rows(TUNING, {**numbers(), **TUNING_DEFAULTS})


def providers() -> str:
    lines = ["| provider | its key variables | its address, if not the service's own |", "|---|---|---|"]
    for name, entry in sorted(registry().items()):
        if entry.keys:
            keys = ", ".join(f"`{key}`" for key in entry.keys)
            note = f" ({KEY_NOTES[name]})" if name in KEY_NOTES else ""
            holds = ADDRESS_NOTES.get(name, "the host's root")
            lines.append(f"| {name} | {keys}{note} | `{entry.address}`: {holds} |")
    return "\n".join(lines)


def config_file() -> str:
    lines = ["| key | the variable that goes before it |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{key}` | `REELWRIGHT_{name}` |" for key, name in FILE_KEYS.items())])


def limits() -> str:
    lines = ["| limit | default | meaning |", "|---|---|---|"]
    for key, meaning in LIMITS.items():
        lines.append(f"| `{key}` | {DEFAULTS.get(key, 'none')} | {meaning} |")
    return "\n".join(lines)
