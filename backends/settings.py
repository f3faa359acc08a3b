"""Where things lie and how the program runs: environment (`REELWRIGHT_*`), then `config.toml` in the data folder, then
defaults.

Spending limits are not settings: they are kept in the store, and no environment changes them.
Keys are not settings either: `provider.keys` reads them from the environment or the 0600 key file.
"""

from __future__ import annotations

import logging
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, cast

import platformdirs

from backends.errors import VideoError
from backends.folders import folder, folders, unquoted, whole_folder

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """The settings of one process.

    home: the data folder: store, artifacts, logs. output: where finished clips are linked for people. roots: folders
    that input files may come from; shared: those of them that were allowed by name; cwd: what relative paths are
    relative to. catalog: folders with the user's own rows.
    worker: "detached" (a process of its own) or "inline" (a thread of this one). max_wait_s: the longest wait_for_job.
    trouble: what the user should know of how this was started, "" when there is nothing. store_url: of the server
    that keeps the store, "" for the file in home; it may hold a password. bucket: the URL of the bucket that keeps
    clips and inputs, "" for the data folder alone. ray: the Ray cluster whose GPUs local models use (see
    `provider.on_ray`), "" for this machine's own.
    """

    home: Path
    output: Path
    roots: tuple[Path, ...]
    cwd: Path
    catalog: tuple[Path, ...] = ()
    worker: Literal["detached", "inline"] = "detached"
    max_wait_s: float = 50.0
    env: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    trouble: str = ""
    store_url: str = field(default="", repr=False)
    shared: tuple[Path, ...] = ()
    bucket: str = field(default="", repr=False)
    ray: str = ""

    def for_people(self) -> Settings:
        """The same for people who come over HTTP with a token of their own: of this machine's files they may name those
        of folders that were allowed by name alone, and never any where clips of others lie."""
        kept = [self.output.resolve(), self.home.resolve()]
        apart = (root for root in self.shared if not any(_overlap(root, folder) for folder in kept))
        roots = tuple(apart)
        return replace(self, roots=roots, shared=roots, cwd=roots[0] if roots else self.home)

    @property
    def store(self) -> Path:
        return self.home / "reelwright.db"

    @property
    def artifacts(self) -> Path:
        return self.home / "artifacts"

    @property
    def signing(self) -> Path:
        """The folder of the certificate that clips are signed with."""
        return self.home / "signing"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def key_file(self) -> Path:
        return self.home / "keys.toml"


def _overlap(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


GONE = "the folder that this was started in is gone: name files by their whole path, or start it in another folder"


def _default_roots(output: Path, cwd: Path | None) -> list[Path]:
    """The working folder (unless it is / or home, or gone), the usual picture and video folders, the output folder."""
    home = Path.home()
    roots = [home / name for name in ("Desktop", "Downloads", "Pictures", "Videos", "Movies")]
    roots.append(output)
    if cwd is not None and cwd not in (Path(cwd.anchor), home):
        roots.insert(0, cwd)
    return roots


def load_settings(env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Settings:
    """Read the settings. VideoError("storage") when config.toml cannot be read as TOML, or a folder cannot be meant."""
    env = _without_quotes(os.environ if env is None else env)
    standing = _working_folder() if cwd is None else cwd
    cwd = standing or Path.home()
    home = home_of(env, cwd)
    file = read_config(home)

    def value(name: str, default: str = "") -> str:
        given = env.get(f"REELWRIGHT_{name.upper()}") or file.get(name, default)
        return os.pathsep.join(map(str, cast("list[object]", given))) if isinstance(given, list) else str(given)

    output = cwd / folder("REELWRIGHT_OUTPUT_DIR", value("output_dir") or str(platformdirs.user_videos_path()), env)
    worker = value("worker", "detached")
    if worker not in ("detached", "inline"):
        raise VideoError("storage", f"worker is {worker!r}: set REELWRIGHT_WORKER to detached or inline")
    try:
        max_wait_s = float(value("max_wait_s", "50"))
    except ValueError:
        raise VideoError("storage", "REELWRIGHT_MAX_WAIT_S takes a number of seconds, such as 50") from None
    given = folders("REELWRIGHT_INPUT_ROOTS", value("input_roots"), env)
    shared = [(cwd / root).resolve() for root in given]
    roots = [*_default_roots(output, standing), *shared, home / "artifacts"]
    return Settings(
        home=home,
        output=output,
        roots=tuple(dict.fromkeys(root.resolve() for root in roots)),
        cwd=cwd,
        catalog=(home / "catalog", home / "comfyui", *folders("REELWRIGHT_CATALOG", value("catalog"), env)),
        worker=worker,
        max_wait_s=max_wait_s,
        env=env,
        trouble="" if standing else GONE,
        store_url=value("store").strip(),
        shared=tuple(shared),
        bucket=value("artifacts").strip(),
        ray=value("ray").strip(),
    )


def home_of(env: Mapping[str, str], cwd: Path) -> Path:
    """The data folder that an environment names, else the usual one of this system."""
    asked = env.get("REELWRIGHT_HOME") or str(platformdirs.user_data_path("reelwright"))
    return whole_folder("REELWRIGHT_HOME", asked, env, cwd)


def read_config(home: Path) -> dict[str, object]:
    """The tables of the data folder's config.toml; {} where there is none. VideoError("storage") for one that cannot
    be read."""
    return read_toml(home / "config.toml")


def _working_folder() -> Path | None:
    """None when it was deleted under this process."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        log.warning(GONE)
        return None


def _without_quotes(env: Mapping[str, str]) -> dict[str, str]:
    """The environment; settings without the quotes that docker's --env-file leaves around them."""
    return {name: unquoted(text) if name.startswith("REELWRIGHT_") else text for name, text in env.items()}


def read_toml(path: Path) -> dict[str, object]:
    """A TOML file of the data folder, {} where there is none. VideoError("storage") when it cannot be read."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise VideoError(
            "storage", f"{path.name} in the data folder cannot be read ({error}): fix or remove it"
        ) from None
