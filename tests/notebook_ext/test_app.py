"""The page of MCP Apps in a real browser, under the policy that the extension prescribes, with a real server behind."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import FrameLocator, Page, expect

from mcp_server.apps import EXTENSION, MIME
from tests.fakes import tiny_clip
from tests.notebook_ext.apphost import AppHost
from tests.notebook_ext.browser import Look
from tests.notebook_ext.shelf import Shelf
from tests.rawclient import RawClient, home_env
from tests.samples import photo

ID = "job_" + "a" * 26
TICKET = {"job_id": ID, "state": "queued", "model": "runway/gen4.5", "est_cost_usd": 0.6, "poll_after_s": 0.1}
JOB: dict[str, Any] = TICKET | {
    "uri": f"video://jobs/{ID}",
    "task": "image_to_video",
    "engine": "generative",
    "prompt": "a fox in the <b>snow</b>",
    "state": "running",
    "phase": "making the clip",
    "progress": 0.42,
    "eta_s": 31.0,
    "poll_after_s": 3600,
    "created_at": "2026-11-28T05:00:00Z",
    "notes": ["the image is cropped to 16:9: 12 % of its height is lost"],
}
DONE = JOB | {
    "state": "succeeded",
    "progress": 1.0,
    "cost_usd": 0.58,
    "cost_basis": "reported",
    "file": "/home/ada/Videos/fox_take01.mp4",
    "duration_s": 5.0,
    "width": 1280,
    "height": 720,
    "fps": 24,
    "audio": "native",
    "take": 1,
}
LOST = {"kind": "provider", "message": "The service broke off.", "retryable": True, "charged": "no"}
ESTIMATE = {
    "fits": [
        {
            "model": "runway/gen4.5",
            "cost_low_usd": 0.6,
            "cost_high_usd": 0.6,
            "price_date": "2026-09-02",
            "typical_s": 80.0,
            "duration_s": 5,
            "resolution": "720p",
            "aspect_ratio": "16:9",
            "available": True,
        },
        {
            "model": "kling/kling-v3",
            "cost_low_usd": 0.42,
            "cost_high_usd": 0.84,
            "duration_s": 5,
            "available": False,
            "why_not": "KLING_API_KEY is not set",
        },
        {"model": "animatic", "cost_low_usd": 0, "cost_high_usd": 0, "duration_s": 5, "available": True},
    ],
    "misfits": 12,
    "why": {"duration_s": 9, "audio": 3},
    "next": "",
}
BOARD = {
    "jobs": [
        {"job_id": ID, "state": "running", "model": "runway/gen4.5", "prompt": "a fox in the snow", "progress": 0.4},
        {"job_id": ID, "state": "failed", "model": "kling/kling-v3", "label": "tea", "cost_usd": 0.0},
        {"job_id": ID, "state": "succeeded", "model": "animatic", "label": "cup", "cost_usd": 0.0},
    ],
    "spend": {"today_usd": 1.2, "today_reserved_usd": 0.6, "total_usd": 14.5, "per_day_wall_usd": 20.0},
    "cursor": "older",
}
REFUSED = {
    "isError": True,
    "content": [{"type": "text", "text": "needs_budget: no model does exactly this within max_cost_usd 0."}],
    "structuredContent": {
        "kind": "needs_budget",
        "message": "no model does exactly this within max_cost_usd 0.",
        "nearest": {"model": "runway/gen4.5", "max_cost_usd": 0.6},
        "next": {"tool": "image_to_video", "arguments": {"image": "fox.png", "max_cost_usd": 0.6}},
    },
}
BARRIERS = """async () => {
  const { violations } = await axe.run(document);
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary: why }) => `${id}: ${html} ${why}`));
}"""


def result(told: dict[str, Any]) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": "as words"}], "structuredContent": told}


class Shown:
    """A server that shows the job which it is given, and a clip of so many bytes; what was stopped is told."""

    def __init__(self) -> None:
        self.job = JOB
        self.clip: dict[str, Any] = {}
        self.reads: list[str] = []
        self.stopped: list[str] = []

    def __call__(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method == "tools/call":
            if params["name"] == "cancel_job":
                self.stopped.append(params["arguments"]["job_id"])
                self.job = JOB | {"state": "cancelled"}
                return result({"job_id": ID, "state": "cancelled", "notes": ["stopped: nothing is billed"]})
            return result(self.job if params["name"] == "get_job" else BOARD)
        self.reads.append(params["uri"])
        name = params["uri"].partition(ID)[2]
        if name == "/poster" or (name and not self.clip):
            raise LookupError("no such resource")
        if name.startswith("/clip/"):
            half = tiny_clip().stat().st_size // 6 * 3
            data = tiny_clip().read_bytes()
            part = data[:half] if name == "/clip/0" else data[half:]
            return {"contents": [{"uri": params["uri"], "blob": base64.b64encode(part).decode()}]}
        return {"contents": [{"uri": params["uri"], "text": json.dumps(self.clip if name else self.job)}]}


@pytest.fixture
def shown() -> Shown:
    return Shown()


@pytest.fixture
def host(page: Page, shelf: Shelf, look: Look, shown: Shown) -> AppHost:
    return AppHost(page, shelf, look, shown)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawClient]:
    """A real server whose client shows pages."""
    folder = tmp_path_factory.mktemp("app")
    shutil.copy(photo("coffee"), folder / "coffee.png")
    env = home_env(folder / "home", REELWRIGHT_WORKER="inline")
    with RawClient(env, cwd=folder, extensions={EXTENSION: {"mimeTypes": [MIME]}}) as client:
        yield client


def button(app: FrameLocator, name: str) -> Any:
    return app.get_by_role("button", name=name, exact=True)


def test_a_job_is_followed_from_its_ticket_to_its_playing_clip(
    server: RawClient, page: Page, shelf: Shelf, look: Look, picture: Callable[..., Path]
) -> None:
    """The real server, the real clip, and the words for another take, of a free model here."""
    host = AppHost(page, shelf, look, server.request)
    given = {"image": "coffee.png", "camera": ["dolly-in:0.3"], "duration_s": 1, "resolution": "360p", "fps": 12}
    started = server.call("image_to_video", **given)
    app = host.open(started, {"seed": 7, **given})
    expect(app.locator(".chip").first).to_have_text("Done")
    expect(app.locator(".chip").nth(1)).to_have_text("PREVIS")
    expect(app.locator("strong")).to_have_text("free")
    video = app.locator("video")
    expect(video).to_have_js_property("videoWidth", 640)
    expect(video).to_have_js_property("paused", False)
    job = started["structuredContent"]["job_id"]
    expect(app.locator("code")).to_have_text(server.structured("get_job", job_id=job)["file"])
    picture("done")

    button(app, "Another take…").click()
    button(app, "Ask for another take").click()
    expect(app.locator("#status")).to_contain_text("Sent to the chat")
    (message,) = host.asked("ui/message")
    words = f"Make another take of {job}: image_to_video with the same arguments, without seed, take=2, max_cost_usd=0."
    assert message == {"role": "user", "content": [{"type": "text", "text": words}]}
    assert host.asked("tools/call") == [], "a job is followed by reading, so that the model's waits tell it in full"

    app = host.open(server.call("list_jobs"), tool="list_jobs")
    expect(app.get_by_role("listitem")).to_have_count(1)
    button(app, "Refresh").click()
    app.get_by_role("listitem").get_by_role("button").click()
    expect(app.locator("video")).to_have_js_property("videoWidth", 640)
    button(app, "All jobs").click()
    expect(app.get_by_role("listitem")).to_have_count(1)


def test_money_is_only_ever_asked_for_in_the_persons_own_words(host: AppHost) -> None:
    """The amount is typed, the words are shown before they go, and no tool is called."""
    app = host.open(REFUSED)
    expect(app.locator(".ask")).to_contain_text("runway/gen4.5 needs $0.60. Nothing was started")
    amount = app.get_by_label("At most, US dollars")
    expect(amount).to_have_value("")
    for wrong in ("", "lots", "-1", "1e9"):
        amount.fill(wrong)
        button(app, "Ask for it").click()
        expect(app.locator("#status")).to_contain_text("Type the most that it may cost")
        assert host.asked("ui/message") == []
    amount.fill("0,75")
    words = "Call image_to_video again with the same arguments, model=runway/gen4.5, max_cost_usd=0.75. "
    expect(app.locator(".sent")).to_have_text(f"Goes to the chat: {words}I agree to at most $0.75.")
    host.deaf = True
    button(app, "Ask for it").click()
    expect(app.locator("#status")).to_have_text("The chat did not accept it: type it there yourself.")
    host.deaf = False
    button(app, "Ask for it").click()
    expect(app.locator("#status")).to_contain_text("Sent to the chat")

    app = host.open(result(ESTIMATE), tool="estimate_cost")
    assert app.get_by_role("radio").count() == 2, "what is not available here cannot be chosen"
    app.get_by_role("radio", name="Choose runway/gen4.5").check()
    app.get_by_label("At most, US dollars").fill("0.6")
    app.get_by_label("At most, US dollars").press("Tab")
    host.page.keyboard.press("Enter")
    expect(app.locator("#status")).to_contain_text("Sent to the chat")
    app.get_by_role("radio", name="Choose animatic").check()
    button(app, "Ask for this clip").click()
    expect(app.locator(".sent")).to_contain_text("Make it with animatic, max_cost_usd=0.")
    host.page.wait_for_function("asked.filter(({ method }) => method === 'ui/message').length === 2")
    assert host.asked("tools/call") == [] and host.refused == []


def test_a_job_is_stopped_after_a_second_word(host: AppHost, shown: Shown) -> None:
    app = host.open(result(TICKET))
    expect(app.locator("p").first).to_have_text("a fox in the <b>snow</b>")
    expect(app.locator("strong")).to_have_text("at most $0.60")
    expect(app.locator("#spoken")).to_have_text("25 % done")
    button(app, "Stop…").click()
    button(app, "No").click()
    expect(button(app, "Stop…")).to_be_focused()
    button(app, "Stop…").click()
    assert shown.stopped == []
    button(app, "Yes, stop it").click()
    expect(app.locator(".chip").first).to_have_text("Cancelled")
    assert shown.stopped == [ID]
    expect(button(app, "Another take…")).to_be_focused()


def test_a_large_clip_is_fetched_when_asked_for_and_a_larger_one_never(host: AppHost, shown: Shown) -> None:
    shown.job = DONE
    shown.clip = {"bytes": 5 << 20, "parts": 2, "mime": "video/mp4"}
    app = host.open(result(TICKET))
    button(app, "Play here (5.0 MB)").click()
    expect(app.locator("video")).to_have_js_property("videoWidth", 320)
    expect(button(app, "Play here (5.0 MB)")).to_have_count(0)
    assert [uri.partition(ID)[2] for uri in shown.reads] == ["", "/poster", "/clip", "/clip/0", "/clip/1"]
    shown.clip = {"bytes": 50 << 20, "parts": 0, "mime": "video/mp4"}
    app = host.open(result(TICKET))
    expect(app.locator(".card")).to_contain_text("Too large to play here (50.0 MB): open the file.")
    assert app.locator("video").count() == 0


def test_the_page_follows_its_host(host: AppHost, shown: Shown) -> None:
    """Its colours as they change, what it lets a page do, and its end."""
    colours = {"--color-background-primary": "rgb(1, 2, 3)", "background": "red"}
    app = host.open(result(TICKET), styles={"variables": colours})
    expect(app.locator("body")).to_have_css("background-color", "rgb(1, 2, 3)")
    host.page.evaluate("note('ui/notifications/host-context-changed', { theme: 'dark' })")
    expect(app.locator("html")).to_have_css("color-scheme", "dark")
    assert host.page.evaluate("request('ping', {})")["result"] == {}
    assert host.page.evaluate("request('tools/list', {})")["error"]["code"] == -32601
    (hello,) = host.asked("ui/initialize")
    assert hello["protocolVersion"] == "2026-01-26" and hello["appInfo"]["name"] == "reelwright"
    assert host.asked("ui/notifications/size-changed")[-1]["height"] > 100
    assert host.page.evaluate("request('ui/resource-teardown', {})")["result"] == {}
    expect(app.locator("#view")).to_be_empty()

    shown.reads.clear()
    app = host.open(result(TICKET), able={"serverTools": {}})
    expect(app.locator("strong")).to_have_text("at most $0.60")
    host.page.wait_for_function("asked.some(({ params }) => params?.name === 'get_job')")
    app = host.open(result(TICKET), able={})
    expect(app.locator("#status")).to_contain_text("Cannot follow it now: This host does not allow pages to do that")
    assert shown.reads == [] and button(app, "Stop…").count() == 0


def faces(shown: Shown) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every look of the page."""
    for name, job in (
        ("running", JOB),
        ("done", DONE),
        ("failed", JOB | {"state": "failed", "cost_usd": 0.0, "error": LOST}),
    ):
        shown.job = job
        yield name, result(TICKET)
    yield "estimate", result(ESTIMATE)
    yield "jobs", result(BOARD)
    yield "refused", REFUSED


@pytest.mark.parametrize("look", [Look(width=1200), Look(width=480, dark=True)], ids=str)
def test_it_has_no_barrier_and_fits(
    host: AppHost, shown: Shown, axe: str, picture: Callable[..., Path], look: Look
) -> None:
    found: list[str] = []
    for name, told in faces(shown):
        app = host.open(told)
        expect(app.locator("#view > *").first).to_be_visible()
        if told["content"][0]["text"] == "as words" and "state" in told["structuredContent"]:
            expect(app.locator(".chip").first).to_have_attribute("data-state", shown.job["state"])
            if name == "done":
                button(app, "Another take…").click()
        if name == "estimate":
            app.get_by_role("radio").first.check()
        frame = host.page.frames[-1]
        frame.evaluate(axe)
        found += [f"{name}: {one}" for one in frame.evaluate(BARRIERS)]
        assert frame.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        picture(f"{name}-{look}")
    assert not found, "\n".join(found)
