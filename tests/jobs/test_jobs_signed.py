"""A job's clip leaves signed; what was made or delivered stays as it was, and no job fails for want of a signature."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from backends.jobs import preferences, upkeep
from backends.jobs.files.places import Places
from backends.jobs.store.stored_job import StoredJob
from backends.jobs.views import Job
from backends.media.hashing import sha256_now
from backends.request import VideoRequest, build_request
from backends.studio import Studio
from tests.fakes import FakeServer, tiny_clip
from tests.jobs.station import Station, text_request, tiny_request
from tests.media.signing import independent
from tests.samples import write_clip

Serve, Stand = Callable[..., FakeServer], Callable[..., Station]
OFF = "not signed: signing is turned off (reelwright config set sign on)"


@pytest.fixture
def station(serve: Serve, stand: Stand) -> Station:
    return stand(serve(mode="none"), PAID_MODE="none", REELWRIGHT_WORKER="inline")


@pytest.fixture
def studio(station: Station) -> Studio:
    return station.studio()


def made(station: Station, studio: Studio, request: VideoRequest, **terms: str) -> Job:
    (job,) = station.settled(studio, [studio.submit(request, **terms).job_id], 60)
    assert job.state == "succeeded" and job.file is not None, job.error
    return job


def still(station: Station) -> str:
    Image.new("RGB", (320, 180), (0, 120, 200)).save(station.root / "still.png")
    return "still.png"


def set_(studio: Studio, key: str, value: str) -> None:
    preferences.put(studio.context.store, key, value, how="script", who="")


def test_a_whole_previs_job_is_signed_as_algorithmic_media(station: Station, studio: Studio) -> None:
    asked = {"duration_s": 1, "resolution": "360p", "fps": 12, "camera": ["dolly-in:0.2"]}
    request = build_request(
        task="image_to_video", model="animatic", prompt="slowly closer", frames=[{"image": still(station)}], **asked
    )
    job = made(station, studio, request, label="harbour")
    found = studio.provenance(job.job_id)
    assert found.is_whole and found.facts["state"] == "trusted"
    assert found.facts["sources"] == ["algorithmicMedia"] and found.facts["title"] == "harbour_take01.mp4"
    assert found.facts["made"]["model"] == "animatic" and found.facts["made"]["task"] == "image_to_video"
    assert [(part["title"], part["state"]) for part in found.facts["parts"]] == [("keyframe 1", "missing")]
    assert independent(Path(job.file or ""))["validation_state"] == "Valid"
    told = studio.inspect(job.job_id).text.splitlines()
    assert [line for line in told if line.startswith("provenance: ")] == [
        f"provenance: trusted; {found.text.splitlines()[1]}"
    ]
    assert not any("signed" in note for note in job.notes), "what is as it should be needs no word"


def test_what_was_delivered_stays_byte_for_byte(station: Station, studio: Studio) -> None:
    job = made(station, studio, text_request("a fox"))
    result = Places.of(station.store).result_of(station.row(job.job_id))
    assert Path(result["file"]).read_bytes() == tiny_clip().read_bytes()
    assert result["sha256"] == sha256_now(tiny_clip()) != result["signed"]["sha256"]
    assert (
        result["signed"]["sha256"]
        == sha256_now(Path(result["published"]))
        == sha256_now(Path(result["signed"]["file"]))
    )
    assert upkeep.verify(studio.context.store, studio.context.artifacts).damage == ()
    assert studio.detail(job.job_id).clip == Path(result["signed"]["file"]), (
        "a page that plays it hands on the signed one"
    )


def test_a_paid_clip_names_its_model_and_what_it_was_given(station: Station, studio: Studio) -> None:
    first = made(station, studio, text_request("a fox"))
    frames = [{"image": f"video://jobs/{first.job_id}/last_frame"}]
    job = made(station, studio, text_request("and on", task="image_to_video", frames=frames))
    facts = studio.provenance(job.job_id).facts
    assert facts["sources"] == ["trainedAlgorithmicMedia"] and facts["made"]["model"] == "paid/quick"
    (part,) = facts["parts"]
    assert part["state"] == "trusted" and part["made"]["model"] == "paid/quick", "the clip that the still is from"


def test_a_clip_that_was_joined_is_a_composite(serve: Serve, stand: Stand) -> None:
    station = stand(serve(clips={"": tiny_clip(seconds=4)}, mode="key"), REELWRIGHT_WORKER="inline")
    shutil.copy(tiny_clip(seconds=4), station.root / "clip.mp4")
    asked = {"source_clip": "clip.mp4", "duration_s": 4, "max_cost_usd": 5}
    studio = station.studio()
    job = made(station, studio, build_request(task="extend", model="paid/basic", prompt="on", **asked))
    facts = studio.provenance(job.job_id).facts
    assert facts["sources"] == ["compositeWithTrainedAlgorithmicMedia"]
    added = studio.context.sandbox.provenance(Path(job.files[1]), None, [])
    assert (added["state"], added["sources"]) == ("valid", ["trainedAlgorithmicMedia"]), "the delivered part by itself"
    assert [(part["role"], part["title"]) for part in facts["parts"]] == [
        ("parentOf", "source clip"),
        ("componentOf", "added part"),
    ]


def test_further_samples_leave_signed_too(serve: Serve, stand: Stand, tmp_path: Path) -> None:
    clips = {
        "": tiny_clip(),
        "second": tiny_clip(seconds=2),
        "third": write_clip(tmp_path / "3.webm", codec="libvpx-vp9"),
    }
    station = stand(
        serve(mode="none", clips=clips, also=["second", "third"]), PAID_MODE="none", REELWRIGHT_WORKER="inline"
    )
    studio = station.studio()
    job = made(station, studio, text_request("a fox"))
    first, second, third = map(Path, job.files)
    seen = independent(second)
    assert str(first) == job.file and seen["validation_state"] == "Valid"
    assert seen["manifests"][seen["active_manifest"]]["title"].endswith("_take01_1.mp4")
    kept = second.with_name("extra1.mp4")
    assert kept.read_bytes() == clips["second"].read_bytes(), "what was delivered stays as it is"
    assert third.read_bytes() == clips["third"].read_bytes() and third.with_suffix(".c2pa").exists()
    assert "further files that cannot hold a manifest (C2PA) have it in a file beside them: extra2.c2pa" in job.notes
    context = studio.context
    assert context.sandbox.provenance(third, third.with_suffix(".c2pa"), [])["state"] == "valid"
    whole = upkeep.verify(context.store, context.artifacts)
    assert whole.damage == () and whole.files == 8, "clip, copies, manifest, poster, description"
    second.chmod(0o600)
    second.write_bytes(second.read_bytes()[:-1] + b"!")
    (damage,) = upkeep.verify(context.store, context.artifacts).damage
    assert (damage.fault, damage.path) == ("changed", str(second)) and "further file" in damage.what


def test_one_changed_byte_of_a_published_clip_is_found_wherever_it_is(station: Station, studio: Studio) -> None:
    """Also where a manifest covers nothing: in the file type, in the padding of the signature."""
    job = made(station, studio, text_request("a fox"))
    path = Path(job.file or "")
    whole = path.read_bytes()
    size = len(whole)
    padding = whole.index(b"\0" * 64)
    for at in (3, 10, 20, padding + 30, size // 2, size - 1, *range(40, size, size // 9)):
        damaged = bytearray(whole)
        damaged[at] ^= 1
        path.write_bytes(bytes(damaged))
        for found in (studio.provenance(job.job_id), studio.provenance(str(path))):
            assert not found.is_whole and found.facts["state"] in ("tampered", "missing", "unreadable"), (
                at,
                found.text,
            )
    path.write_bytes(whole)
    assert studio.provenance(str(path)).is_whole
    assert studio.provenance(str(path)).text.endswith(f"it is the clip of job {job.job_id}")


def test_a_manifest_that_was_stripped_from_a_published_clip_is_told(station: Station, studio: Studio) -> None:
    job = made(station, studio, text_request("a fox"))
    shutil.copy(tiny_clip(), job.file or "")
    told = studio.provenance(job.file or "").text.splitlines()
    assert told[0].startswith("provenance: missing: ")
    assert told[1] == f"the signed clip of job {job.job_id} was put there: it was changed or replaced since"


def test_signing_can_be_turned_off_and_every_job_says_so(station: Station, studio: Studio) -> None:
    set_(studio, "sign", "off")
    job = made(station, studio, text_request("a fox"))
    assert OFF in job.notes and Path(job.file or "").read_bytes() == tiny_clip().read_bytes()
    assert studio.provenance(job.job_id).facts["state"] == "missing"
    set_(studio, "sign", "on")
    other = made(station, studio, text_request("a hare"))
    assert OFF not in other.notes and studio.provenance(other.job_id).is_whole


def test_the_prompt_is_in_the_clip_only_where_that_is_wished(station: Station, studio: Studio) -> None:
    job = made(station, studio, text_request("a secret fox"))
    assert b"a secret fox" not in Path(job.file or "").read_bytes()
    set_(studio, "sign_prompt", "on")
    job = made(station, studio, text_request("a known fox"))
    assert studio.provenance(job.job_id).facts["made"]["prompt"] == "a known fox"


@pytest.mark.parametrize("trouble", ["a file where the folder should be", "a certificate that is gone"])
def test_a_clip_that_cannot_be_signed_is_delivered_all_the_same(trouble: str, station: Station, studio: Studio) -> None:
    if trouble.startswith("a file"):
        (station.home / "signing").write_text("in the way")
    else:
        set_(studio, "sign_certificate", str(station.root / "none.pem"))
    job = made(station, studio, text_request("a fox"))
    assert Path(job.file or "").read_bytes() == tiny_clip().read_bytes()
    assert sum(note.startswith("not signed (C2PA): ") for note in job.notes) == 1, job.notes
    assert station.entry(job.job_id)["state"] == "settled"


def test_a_published_clip_is_the_same_input_as_its_job(station: Station, studio: Studio) -> None:
    """By its name in the output folder it has other bytes than the kept clip, and still nothing is paid for twice."""
    first = made(station, studio, text_request("a fox"))
    asked = {"duration_s": 4, "max_cost_usd": 5}
    by_job = build_request(task="extend", model="paid/quick", prompt="on", source_clip=first.job_id, **asked)
    by_path = build_request(task="extend", model="paid/quick", prompt="on", source_clip=first.file, **asked)
    job = made(station, studio, by_job)
    again = studio.submit(by_path)
    assert again.replayed and again.job_id == job.job_id
    assert studio.quote(by_path).job == job.job_id
    other = made(station, studio, by_path.model_copy(update={"prompt": "elsewhere"}))
    assert other.parents == [first.job_id]


def test_a_clip_is_given_out_again_as_it_was(station: Station, studio: Studio) -> None:
    from backends.jobs.run.publishing import give_again

    job = made(station, studio, tiny_request("a fox"))
    path = Path(job.file or "")
    whole = path.read_bytes()
    assert give_again(studio.context, StoredJob.of(station.row(job.job_id))) == str(path), "it is there"
    path.unlink()
    assert give_again(studio.context, StoredJob.of(station.row(job.job_id))) == str(path) and path.read_bytes() == whole
    path.write_bytes(b"cut by its owner")
    other = give_again(studio.context, StoredJob.of(station.row(job.job_id)))
    assert Path(other).read_bytes() == whole and path.read_bytes() == b"cut by its owner"
    assert studio.get(job.job_id).file == other


def test_a_clip_of_before_is_signed_when_it_is_given_out_again(station: Station, studio: Studio) -> None:
    from backends.jobs.run.publishing import give_again

    set_(studio, "sign", "off")
    job = made(station, studio, tiny_request("a fox"))
    set_(studio, "sign", "on")
    give_again(studio.context, StoredJob.of(station.row(job.job_id)))
    assert studio.provenance(job.job_id).is_whole
    assert upkeep.verify(studio.context.store, studio.context.artifacts).damage == ()
    asked = {"duration_s": 4, "max_cost_usd": 5, "source_clip": studio.get(job.job_id).file}
    other = made(station, studio, build_request(task="extend", model="paid/quick", prompt="on", **asked))
    assert other.parents == [job.job_id], "the signed copy is known as the job's clip"


def test_a_webm_has_its_manifest_beside_it(serve: Serve, stand: Stand, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "fox.webm", codec="libvpx-vp9")
    station = stand(serve(mode="none", clips={"": clip}), PAID_MODE="none", REELWRIGHT_WORKER="inline")
    studio = station.studio()
    job = made(station, studio, text_request("a fox"))
    path = Path(job.file or "")
    assert path.suffix == ".webm" and path.read_bytes() == clip.read_bytes()
    beside = path.with_suffix(".c2pa")
    assert beside.exists()
    assert f"this format cannot hold a manifest (C2PA): it is in {beside.name} beside the clip" in " ".join(job.notes)
    for name in (job.job_id, str(path)):
        found = studio.provenance(name)
        assert found.is_whole and found.facts["where"] == "sidecar", found.text
    assert upkeep.verify(studio.context.store, studio.context.artifacts).damage == ()
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert not studio.provenance(str(path)).is_whole
