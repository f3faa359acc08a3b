"""Which files may be opened, and that nothing is told of those that may not."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from backends.errors import VideoError
from backends.media.paths import find_input, open_input


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An allowed folder beside a forbidden one."""
    (tmp_path / "in" / "shots").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / "hero.png").write_bytes(b"hero")
    (tmp_path / "in" / "shots" / "one.png").write_bytes(b"one")
    (tmp_path / "out" / "secret.png").write_bytes(b"secret")
    return tmp_path


def read(text: str | Path, place: Path) -> bytes:
    with open_input(str(text), [place / "in"], place / "in") as file:
        return file.read()


def refusal(text: str | Path, place: Path) -> str:
    with pytest.raises(VideoError) as caught:
        read(text, place)
    assert caught.value.kind == "asset"
    return caught.value.message


def test_files_below_a_root_are_opened(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(place / "in" / "hero.png", place) == b"hero"
    assert read("shots/one.png", place) == b"one"
    assert read("shots/../hero.png", place) == b"hero"
    (place / "in" / "link.png").symlink_to(place / "in" / "hero.png")
    (place / "in" / "folder").symlink_to(place / "in" / "shots")
    assert read("link.png", place) == b"hero"  # a link that stays inside
    assert read("folder/one.png", place) == b"one"
    monkeypatch.setenv("HOME", str(place))
    assert read("~/in/hero.png", place) == b"hero"
    (place / "alias").symlink_to(place / "in")
    with open_input(str(place / "alias" / "hero.png"), [place / "alias"], place) as file:  # a root that is a link
        assert file.read() == b"hero"


def test_what_lies_outside_is_refused_alike_whether_it_exists_or_not(place: Path) -> None:
    there, missing = place / "out" / "secret.png", place / "out" / "nothing.png"
    texts = {refusal(path, place).replace(path.name, "NAME") for path in (there, missing)}
    texts.add(refusal(place / "out", place).replace("/out'", "/out/NAME'"))
    texts.add(refusal(place / "away" / "deep.png", place).replace("away/deep.png", "out/NAME"))
    assert len(texts) == 1
    text = texts.pop()
    assert "is not in an allowed folder, or leads out of one: put the file into" in text
    assert str(place / "in") in text
    assert "REELWRIGHT_INPUT_ROOTS" in text
    for away in ("../out/secret.png", "/etc/passwd", "shots/../../out/secret.png", "/", "..", "/dev/zero"):
        assert "is not in an allowed folder" in refusal(away, place)


def test_one_reading_of_the_tilde(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~/` is the home folder; `~name` is a file or folder of that name, never another user's home."""
    (place / "in" / "~root").mkdir()
    (place / "in" / "~root" / "x.png").write_bytes(b"inside")
    assert read("~root/x.png", place) == b"inside"
    text = refusal("~nosuchuser/a.png", place)
    assert text == "'~nosuchuser/a.png' does not exist: check the path (only ~/ is expanded, to your own home folder)"


SHOT = "Shot at 3.45.12\u202fPM.png"
"""A screenshot as macOS names it: a narrow no-break space, which looks like a space."""


def found(text: str, place: Path) -> tuple[bytes, str]:
    with find_input(text, [place / "in"], place / "in") as file:
        return file.file.read(), file.note


@pytest.mark.parametrize(
    ("there", "asked"),
    [
        (SHOT, "Shot at 3.45.12 PM.png"),
        ("two\u00a0words.png", "two words.png"),
        ("cafe\u0301.png", "caf\u00e9.png"),
        ("caf\u00e9.png", "cafe\u0301.png"),
        ("\uff46\uff49\uff47.png", "fig.png"),
        ("cafe\u0301/deep  shot.png", "caf\u00e9/deep shot.png"),
    ],
)
def test_a_name_that_looks_the_same_is_taken_and_told(place: Path, there: str, asked: str) -> None:
    (place / "in" / "hero.png").unlink()
    (place / "in" / there).parent.mkdir(exist_ok=True)
    (place / "in" / there).write_bytes(b"looks the same")
    assert found(asked, place) == (b"looks the same", f"{asked!r} is taken to be {there!a}, which looks the same")


def test_a_name_that_differs_in_capitals_is_taken_where_only_one_does(place: Path) -> None:
    (place / "in" / "Fox\u00a0One.PNG").write_bytes(b"fox")
    said = "'fox one.png' is taken to be 'Fox\\xa0One.PNG', which looks the same but for capitals"
    assert found("fox one.png", place) == (b"fox", said)


def test_of_several_that_look_the_same_none_is_taken(place: Path) -> None:
    for name in (SHOT, "Shot at 3.45.12\u00a0PM.png"):
        (place / "in" / name).write_bytes(b"one of them")
    assert refusal("Shot at 3.45.12 PM.png", place) == (
        "'Shot at 3.45.12 PM.png' does not exist, but several that look the same do; write one of them with its very "
        "characters: 'Shot at 3.45.12\\xa0PM.png', 'Shot at 3.45.12\\u202fPM.png'"
    )
    (place / "in" / "HERO.png").write_bytes(b"by case alone")
    assert "several that look the same" in refusal("Hero.png", place)


@pytest.mark.parametrize(
    "asked",
    [
        " 'hero.png'\n",
        "'hero.png'",
        '"hero.png" ',
        "\u201chero.png\u201d",
        "\u2018hero.png\u2019",
        "\u00abhero.png\u00bb",
        "`hero.png`",
        "<hero.png>",
        "\u202ahero.png\u202c",
        "\"'hero.png'\"",
    ],
)
def test_quotes_and_space_around_a_path_are_no_part_of_it(asked: str, place: Path) -> None:
    assert found(asked, place) == (b"hero", "")


def test_addresses_of_files_are_paths(place: Path) -> None:
    (place / "in" / "my photo (1).png").write_bytes(b"mine")
    escaped = f"{place}/in/my%20photo%20(1).png"
    for asked in (f"file://{escaped}", f"file://localhost{escaped}", f"file:{escaped}", f'"FILE://{escaped}"'):
        assert found(asked, place) == (b"mine", "")
    assert "is not in an allowed folder" in refusal(f"file://{place}/out/secret.png", place)
    missing = f"{place}/in/no such.png"
    assert refusal(f"file://{place}/in/no%20such.png", place).startswith(f"{missing!r} does not exist")


@pytest.mark.parametrize("asked", ["my%20photo%20(1).png", "my\\ photo\\ \\(1\\).png", "'my\\ photo\\ \\(1\\).png'"])
def test_escapes_of_browsers_and_shells_are_read_and_told(asked: str, place: Path) -> None:
    (place / "in" / "my photo (1).png").write_bytes(b"mine")
    data, note = found(asked, place)
    assert data == b"mine"
    assert note == f"{asked!r} is taken to be 'my photo (1).png', as it means where it comes from"


def test_a_file_of_that_very_name_stands_first(place: Path) -> None:
    for name in ("100%25.png", "'hero.png'", "100%.png"):
        (place / "in" / name).write_bytes(name.encode())
        assert found(name, place) == (name.encode(), "")


def test_what_a_pasted_path_means_leads_nowhere_else(place: Path) -> None:
    for asked in (
        "'../out/secret.png'",
        "shots%2f..%2f..%2fout%2fsecret.png",
        f"file://{place}/in/%2e%2e/out/secret.png",
    ):
        assert "is not in an allowed folder" in refusal(asked, place) or "does not exist" in refusal(asked, place)
    (place / "in" / ".key.png").write_bytes(b"key")
    assert "hidden" in refusal("'.key.png'", place)


@pytest.mark.parametrize("asked", ["C:\\Users\\Ann\\a.png", "c:/Users/Ann/a.png", '"C:\\Users\\Ann\\a.png"'])
def test_a_path_of_windows_is_told_as_what_it_is(asked: str, place: Path) -> None:
    system = {"Darwin": "macOS"}.get(platform.system(), platform.system())
    assert refusal(asked, place) == (
        f"{asked!r} does not exist: this is a path of Windows, and this server runs on {system}: under WSL that is "
        f"/mnt/c/Users/Ann/a.png; or put the file into {place / 'in'}, or allow its folder with REELWRIGHT_INPUT_ROOTS"
    )


def test_wsls_own_share_is_this_machine(place: Path) -> None:
    share = str(place / "in" / "hero.png").replace("/", "\\")
    for server in ("\\\\wsl$\\Ubuntu", "\\\\wsl.localhost\\Ubuntu-24.04"):
        assert found(server + share, place)[0] == b"hero"
    assert "this is a path of Windows" in refusal("\\\\nas\\films\\a.png", place)


@pytest.mark.parametrize(
    ("there", "asked"), [("it's-a.png", "it\u2019s\u2013a.png"), ("\u201ca\u201d\u2011b.png", '"a"-b.png')]
)
def test_quotes_and_hyphens_that_an_editor_has_changed(there: str, asked: str, place: Path) -> None:
    (place / "in" / there).write_bytes(b"edited")
    assert found(asked, place) == (b"edited", f"{asked!r} is taken to be {there!a}, which looks the same")


def test_a_name_that_looks_the_same_leads_nowhere_else(place: Path) -> None:
    """Neither through a link out of the root, nor to a hidden file, nor into a folder outside."""
    (place / "in" / "a\u00a0link.png").symlink_to(place / "out" / "secret.png")
    assert "is not in an allowed folder, or leads out of one" in refusal("a link.png", place)
    (place / "in" / ".a\u00a0key.png").write_bytes(b"key")
    assert "never read" in refusal(".a key.png", place)
    (place / "out" / "b\u00a0c.png").write_bytes(b"secret")
    assert "is not in an allowed folder" in refusal("../out/b c.png", place)


def test_links_that_lead_out_are_refused_alike(place: Path) -> None:
    (place / "in" / "there.png").symlink_to(place / "out" / "secret.png")
    (place / "in" / "missing.png").symlink_to(place / "out" / "nothing.png")
    (place / "in" / "folder").symlink_to(place / "out")
    for name in ("there.png", "missing.png", "folder/secret.png", "folder/nothing.png"):
        assert "is not in an allowed folder, or leads out of one" in refusal(name, place)


def test_hidden_files_and_folders_are_never_read(place: Path) -> None:
    (place / "in" / ".ssh").mkdir()
    (place / "in" / ".ssh" / "id.png").write_bytes(b"key")
    (place / "in" / ".env").write_bytes(b"key")
    for name in (".ssh/id.png", ".env", "shots/../.ssh/id.png", ".ssh/nothing.png"):
        assert "never read: copy the file into" in refusal(name, place)
    with open_input(str(place / "in" / ".ssh" / "id.png"), [place / "in", place / "in" / ".ssh"], place) as file:
        assert file.read() == b"key"  # a root that the person has allowed


def test_only_regular_files_and_nothing_blocks(place: Path) -> None:
    os.mkfifo(place / "in" / "pipe.mp4")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place / "in" / "sock.mp4"))
        assert "names a socket, not a file" in refusal("sock.mp4", place)
    assert "names a pipe, not a file: name one picture or clip" in refusal("pipe.mp4", place)
    assert "names a folder, not a file" in refusal("shots", place)
    assert "names a folder, not a file" in refusal(place / "in", place)
    with pytest.raises(VideoError, match="names a device, not a file"):
        open_input("/dev/null", [Path("/dev")], place)


def test_missing_empty_and_oversized_files(place: Path) -> None:
    assert refusal("herp.png", place) == "'herp.png' does not exist: did you mean hero.png?"
    assert refusal("zzz/nothing.mp4", place).startswith("'zzz/nothing.mp4' does not exist")
    assert "part of its path is no folder" in refusal("hero.png/deeper.png", place)
    (place / "in" / "empty.png").touch()
    assert refusal("empty.png", place) == "'empty.png' is empty (0 bytes): was it saved or downloaded to the end?"
    with (place / "in" / "huge.mp4").open("wb") as file:
        file.truncate(2 * 1024**3 + 1)  # sparse
    assert "has 2.0 GiB; at most 2 GiB are taken" in refusal("huge.mp4", place)
    assert "is not in an allowed folder" in refusal("nul\0byte.png", place)
    assert refusal("x" * 5000, place).endswith(("check the path", "cannot be opened (File name too long)"))
    assert len(refusal("x" * 5000, place)) < 1000


def test_an_unreadable_file_is_told(place: Path) -> None:
    """As an unprivileged user: root may read anything."""
    hidden = place / "in" / "locked.png"
    hidden.write_bytes(b"locked")
    hidden.chmod(0o000)
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from backends.errors import VideoError\n"
        "from backends.media.paths import open_input\n"
        "if os.getuid() == 0:\n"
        "    os.setgid(65534)\n"
        "    os.setuid(65534)\n"
        "try:\n"
        "    open_input('locked.png', [Path(sys.argv[1])], Path(sys.argv[1]))\n"
        "except VideoError as error:\n"
        "    print(error.message)\n"
    )
    for folder in (place, *place.parents):
        if folder != Path(folder.anchor) and folder.stat().st_uid == os.getuid() and folder.name.startswith("pytest"):
            folder.chmod(0o755)
    place.chmod(0o755)
    run = subprocess.run([sys.executable, "-c", code, place / "in"], capture_output=True, text=True, check=True)
    assert run.stdout == (
        "'locked.png' cannot be read by this user: change its permissions, or those of its folder\n"
    ), run.stderr


def test_a_link_swapped_in_after_the_check_is_not_followed(place: Path) -> None:
    """The open itself refuses links, so a swap between resolving and opening gains nothing."""
    from backends.media.paths import _open_below

    (place / "in" / "swapped").symlink_to(place / "out")
    (place / "in" / "swapped.png").symlink_to(place / "out" / "secret.png")
    with pytest.raises(OSError):
        _open_below(place / "in", ("swapped", "secret.png"))
    with pytest.raises((OSError, VideoError)):
        _open_below(place / "in", ("swapped.png",))


def test_without_any_existing_root_the_setting_is_named(place: Path) -> None:
    with pytest.raises(VideoError, match="a folder that you allow with REELWRIGHT_INPUT_ROOTS"):
        open_input("x.png", [place / "nowhere"], place)
