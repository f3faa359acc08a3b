"""The job card in a bare page: what it says in each state, what it asks, and that it leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from notebook_ext.view import module_text, style_text
from tests.fakes import tiny_clip
from tests.notebook_ext.browser import Look
from tests.notebook_ext.mount import Bare, Widget

ID = "job_" + "a" * 26
JOB: dict[str, Any] = {
    "job_id": ID,
    "label": "",
    "take": 1,
    "state": "running",
    "phase": "",
    "task": "text_to_video",
    "engine": "generative",
    "model": "runway/gen4.5",
    "progress": 0.0,
    "queue_position": None,
    "eta_s": None,
    "est_cost_usd": 0.6,
    "cost_usd": None,
    "cost_basis": "",
    "file": None,
    "notes": [],
    "error": None,
    "next": "",
    "prompt": "a fox in the <b>snow</b>",
    "replayed": False,
    "elapsed_s": 3,
    "has_poster": False,
    "preview": "",
    "code": "studio.generate_video('a fox')",
    "trouble": "",
    "command": "",
    "can_extend": False,
}
DONE = JOB | {
    "state": "succeeded",
    "cost_usd": 0.58,
    "cost_basis": "reported by the provider",
    "file": "/videos/fox_take01.mp4",
    "has_poster": True,
    "can_extend": True,
}
POSTER = bytes.fromhex(
    "ffd8ffe000104a46494600010100000100010000ffdb004300080606070605080707070909080a0c140d0c0b0b0c1912130f141d1a1f1e1d1a1c1c20"
    "242e2720222c231c1c2837292c30313434341f27393d38323c2e333432ffc0000b080001000101011100ffc4001f0000010501010101010100000000"
    "000000000102030405060708090a0bffda0008010100003f00d2cf20ffd9"
)

LOOKED = "() => new Promise((seen) => new IntersectionObserver(seen).observe(document.querySelector('video')))"
"""Resolves once the browser has told every observer what is in view."""


def data(*jobs: dict[str, Any]) -> dict[str, Any]:
    return {"jobs": list(jobs)}


def button(card: Locator, name: str) -> Locator:
    return card.get_by_role("button", name=name)


def test_progress_is_told_in_words_and_only_at_its_steps(bare: Bare) -> None:
    card = bare.mount("card", data(JOB | {"state": "queued", "queue_position": 2}))
    status = card.get_by_role("status")
    expect(card.locator(".rw-chip")).to_have_text("Queued")
    expect(status).to_have_text("Queued, 2 before it")
    expect(card.locator("p")).to_have_text("a fox in the <b>snow</b>")
    expect(card).to_contain_text("est. $0.60")
    bare.set("data", data(JOB | {"progress": 0.1}))
    expect(status).to_have_text("Started")
    assert card.locator("progress").evaluate("bar => bar.value") == 0.1
    for progress, words in ((0.26, "25 % done"), (0.3, "25 % done"), (0.74, "50 % done")):
        bare.set("data", data(JOB | {"progress": progress, "eta_s": 70}))
        expect(status).to_have_text(words)
    expect(card).to_contain_text("about 1:10 left")
    bare.unmount()


def test_what_is_not_running_is_told_by_its_state(bare: Bare) -> None:
    card = bare.mount("card", data(JOB | {"state": "waiting"}))
    expect(card.get_by_role("status")).to_have_text("Waiting for its inputs")
    bare.set("data", data(JOB | {"state": "finishing", "progress": 0.8}))
    expect(card.get_by_role("status")).to_have_text("Finishing")
    bare.unmount()


def test_where_a_clip_lies_is_known_without_asking(widget: Widget) -> None:
    """A kernel that is busy with the cell that shows twenty cards answers none of them before that ends."""
    clip = {"size": 4, "mime": "video/mp4", "paths": [], "version": "1"}
    widget.mount(module_text("card"), style_text("card"), data=data(DONE | {"clip": clip}))
    widget.page.wait_for_function("m => m.acts.some(({ action }) => action === 'chunk')", arg=widget._module)
    assert "clip" not in [act.action for act in widget.acts()]
    widget.answer({}, [b"none"], action="chunk")
    widget.unmount()


def test_a_bar_is_determinate_only_when_a_number_is_known(bare: Bare) -> None:
    card = bare.mount("card", data(JOB))
    assert card.locator("progress").evaluate("bar => bar.position") == -1
    bare.unmount()


def test_cancel_asks_once_and_the_focus_stays_on_the_card(bare: Bare) -> None:
    card = bare.mount("card", data(JOB))
    button(card, "Cancel").focus()
    bare.page.keyboard.press("Enter")
    bare.page.keyboard.press("Enter")
    assert bare.asked("cancel").body == {"job_id": ID}
    assert [act.action for act in bare.acts()] == ["cancel"]
    bare.answer({}, action="cancel")
    bare.set("data", data(JOB | {"state": "cancelled", "cost_usd": 0.0}))
    expect(card.locator(".rw-chip")).to_have_text("Cancelled")
    expect(button(card, "Cancel")).to_be_hidden()
    bare.asked("again_quote")
    bare.answer({"take": 2, "usd": 0.6, "text": "$0.60"}, action="again_quote")
    assert bare.page.evaluate("document.activeElement.textContent").startswith("Next take")
    bare.unmount()


def test_a_running_job_shows_what_there_is_so_far(bare: Bare) -> None:
    card = bare.mount("card", data(JOB | {"state": "running", "preview": "1"}))
    picture = card.get_by_alt_text("What there is so far")
    bare.asked("poster")
    bare.answer({}, [POSTER], action="poster")
    expect(picture).to_be_visible()
    before = picture.get_attribute("src")
    bare.set("data", data(JOB | {"state": "running", "preview": "2", "progress": 0.5}))
    bare.asked("poster")
    bare.answer({}, [POSTER], action="poster")
    expect(picture).not_to_have_attribute("src", before or "")
    bare.set("data", data(JOB | {"state": "cancelled"}))
    expect(picture).to_have_count(0)
    bare.unmount()


def test_the_clip_plays_and_the_next_take_says_its_price(bare: Bare, picture: Callable[..., Path]) -> None:
    bare.page.evaluate("0")
    card = bare.mount("card", data(JOB))
    bare.lend(ID, tiny_clip())
    bare.set("data", data(DONE))
    bare.asked("poster")
    bare.answer({}, [POSTER], action="poster")
    bare.asked("again_quote")
    bare.answer({"take": 2, "usd": 0.6, "text": "$0.60"}, action="again_quote")
    video = card.locator("video")
    bare.page.wait_for_function("() => document.querySelector('video')?.currentTime > 0")
    assert video.evaluate("v => [v.muted, v.loop, v.controls, v.ariaLabel]") == [True, True, True, DONE["prompt"]]
    expect(card.get_by_role("link", name="Download")).to_have_attribute("download", "fox_take01.mp4")
    expect(card).to_contain_text("$0.58 (est. $0.60)")
    expect(card.get_by_role("status")).to_have_text("Done. /videos/fox_take01.mp4")
    button(card, "Next take · $0.60").click()
    assert bare.asked("again").body == {"job_id": ID, "cap": 0.6}
    second = JOB | {"job_id": "job_" + "b" * 26, "take": 2}
    bare.set("data", data(DONE, second))
    bare.answer({"job_id": second["job_id"]}, action="again")
    expect(card.locator(".rw-chip")).to_have_text("Running")
    expect(video).to_have_count(0)
    expect(button(card, "take 2")).to_have_attribute("aria-pressed", "true")
    picture("two-takes", card)
    button(card, "take 1").click()
    expect(card.locator(".rw-chip")).to_have_text("Done")
    bare.unmount()


def test_extending_says_its_price_before_it_starts(bare: Bare) -> None:
    bare.page.evaluate("0")
    card = bare.mount("card", data(DONE | {"has_poster": False, "state": "succeeded"}))
    bare.lend(ID, tiny_clip())
    bare.asked("again_quote")
    bare.answer({"take": 2, "usd": 0, "text": "free"}, action="again_quote")
    button(card, "Extend…").click()
    expect(button(card, "Extend…")).to_have_attribute("aria-expanded", "true")
    assert bare.asked("extend_quote").body == {"job_id": ID, "add_s": 4, "prompt": ""}
    bare.answer({"usd": 0.5, "text": "$0.50", "there": False}, action="extend_quote")
    card.get_by_label("Seconds to add").fill("6")
    card.get_by_label("Prompt of the extension").fill("it rains")
    bare.asked("extend_quote")
    bare.answer({"usd": 0.75, "text": "$0.75", "there": False}, action="extend_quote")
    card.get_by_label("Prompt of the extension").blur()
    bare.asked("extend_quote")
    bare.answer({"usd": 0.75, "text": "$0.75", "there": False}, action="extend_quote")
    button(card, "Extend · $0.75").click()
    assert bare.asked("extend").body == {"job_id": ID, "cap": 0.75, "add_s": 6, "prompt": "it rains"}
    bare.refuse("the spending limit per_day_usd is reached", action="extend")
    expect(card.get_by_role("status")).to_have_text("the spending limit per_day_usd is reached")
    bare.unmount()


def test_a_failure_tells_the_remedy_once_and_offers_no_second_refusal(bare: Bare) -> None:
    error = {"kind": "provider", "message": "the service broke", "retryable": False, "charged": "no"}
    words = "The service broke. It was not charged. Another model: model='x'."
    failed = JOB | {"state": "failed", "error": error, "trouble": words, "cost_usd": 0.0}
    card = bare.mount("card", data(failed))
    expect(card.locator(".rw-error")).to_have_text(words)
    expect(button(card, "Next take")).to_be_visible()
    refused = failed | {"error": error | {"kind": "moderation_input"}}
    bare.set("data", data(refused))
    expect(button(card, "Next take")).to_be_hidden()
    bare.unmount()


def test_what_is_uncertain_offers_no_further_payment_and_a_command_to_copy(bare: Bare) -> None:
    bare.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    command = f"reelwright jobs resolve {ID}"
    card = bare.mount("card", data(JOB | {"state": "uncertain", "trouble": "Nobody knows", "command": command}))
    expect(card.locator(".rw-error code")).to_have_text(command)
    button(card, "Copy command").click()
    expect(card.get_by_role("status")).to_have_text("Copied")
    assert bare.page.evaluate("navigator.clipboard.readText()") == command
    expect(button(card, "Next take")).to_be_hidden()
    assert not bare.acts()
    bare.unmount()


def test_what_came_of_a_cancel_stands_until_the_job_has_ended(bare: Bare) -> None:
    card = bare.mount("card", data(JOB))
    status = card.get_by_role("status")
    button(card, "Cancel").click()
    bare.answer({}, action="cancel")
    bare.set("data", data(JOB | {"progress": 0.3}))
    expect(status).to_have_text("Asking to stop it…")
    told = "Kling cannot stop a job: it runs on, and is still billed"
    bare.set("data", data(JOB | {"progress": 0.4, "notes": [told]}))
    expect(status).to_have_text(told)
    expect(button(card, "Cancel")).to_be_hidden()
    bare.set("data", data(JOB | {"state": "cancelled", "notes": [told]}))
    expect(status).to_have_text("")
    bare.unmount()


def test_a_clip_is_fetched_when_it_is_seen_rests_when_it_is_not_and_stays_stopped(bare: Bare) -> None:
    page = bare.page
    card = bare.mount("card", data(JOB))
    page.evaluate("document.getElementById('stage').style.marginTop = '5000px'")
    bare.lend(ID, tiny_clip())
    bare.set("data", data(DONE | {"has_poster": False}))
    video = card.locator("video")
    page.evaluate(
        "() => new Promise((seen) => new IntersectionObserver(seen).observe(document.querySelector('video')))"
    )
    assert video.evaluate("v => v.src") == ""
    video.scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelector('video').currentTime > 0")
    page.evaluate("scrollTo(0, 0)")
    expect(video).to_have_js_property("paused", True)
    video.scroll_into_view_if_needed()
    expect(video).to_have_js_property("paused", False)
    video.evaluate("v => v.pause()")
    page.evaluate("scrollTo(0, 0)")
    page.evaluate(
        "() => new Promise((seen) => new IntersectionObserver(seen).observe(document.querySelector('video')))"
    )
    video.scroll_into_view_if_needed()
    page.evaluate(
        "() => new Promise((seen) => new IntersectionObserver(seen).observe(document.querySelector('video')))"
    )
    expect(video).to_have_js_property("paused", True)
    bare.unmount()


@pytest.mark.parametrize("look", [Look(still=True)], ids=str)
def test_less_motion_means_no_autoplay(bare: Bare) -> None:
    card = bare.mount("card", data(JOB))
    bare.lend(ID, tiny_clip())
    bare.set("data", data(DONE | {"has_poster": False}))
    expect(card.locator("video")).to_have_js_property("autoplay", False)
    bare.page.wait_for_function("() => document.querySelector('video')?.readyState >= 3")
    assert card.locator("video").evaluate("v => v.paused")
    bare.unmount()


@pytest.mark.parametrize(
    "look", [Look(width=280), Look(dark=True), Look(dark=True, theme="plain"), Look(theme="plain")], ids=str
)
def test_it_fits_and_can_be_read(bare: Bare, picture: Callable[..., Path], look: Look) -> None:
    notes = ["the image (320x180) is smaller than the clip and was enlarged 4.00x"]
    bare.mount("card", data(JOB | {"progress": 0.4, "eta_s": 30, "notes": notes}))
    assert bare.page.evaluate("document.documentElement.scrollWidth") <= look.width
    contrast = bare.page.evaluate(CONTRAST)
    assert min(contrast.values()) >= 4.5, contrast
    picture(f"card-{look}")
    bare.unmount()


CONTRAST = """() => {
  const light = (colour) => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d");
    canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3)
      .map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = light(getComputedStyle(document.querySelector(".rw")).backgroundColor);
  const found = {};
  for (const el of document.querySelectorAll(".rw p, .rw-chip, .rw-dim, .rw-status, .rw summary")) {
    const own = light(getComputedStyle(el).color);
    found[el.className || el.tagName] = (Math.max(own, ground) + 0.05) / (Math.min(own, ground) + 0.05);
  }
  return found;
}"""


def test_a_click_while_the_price_is_not_known_starts_nothing(bare: Bare) -> None:
    card = bare.mount("card", data(JOB | {"state": "cancelled"}))
    bare.asked("again_quote")
    button(card, "Next take").click()
    expect(card.get_by_role("status")).to_have_text("The price is not known yet")
    bare.answer({"take": 2, "usd": None, "text": "price unknown"}, action="again_quote")
    button(card, "Next take · price unknown").click()
    expect(card.get_by_role("status")).to_contain_text("start it from a cell")
    assert [act.action for act in bare.acts()] == ["again_quote"]
    bare.unmount()
