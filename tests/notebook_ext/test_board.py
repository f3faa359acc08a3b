"""The board in a bare page: every job of the store, filters, the money, a card inside, and a sweep's grid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.fakes import tiny_clip
from tests.notebook_ext.browser import Look
from tests.notebook_ext.mount import Bare
from tests.notebook_ext.test_card import JOB, POSTER

SPEND = {
    "today_usd": 1.2,
    "total_usd": 14.5,
    "reserved_usd": 0.4,
    "per_job_wall_usd": 5,
    "per_day_wall_usd": 20,
}


def row(letter: str, **more: Any) -> dict[str, Any]:
    base = {
        "job_id": "job_" + letter * 26,
        "state": "succeeded",
        "model": "runway/gen4.5",
        "label": "",
        "take": 1,
        "seed": None,
        "prompt": f"shot {letter}",
        "task": "text_to_video",
        "progress": 1.0,
        "cost_usd": 0.6,
        "est_cost_usd": 0.6,
        "client": "notebook",
        "engine": "generative",
        "at": 1.7e9,
        "has_poster": False,
        "preview": "",
        "star": False,
        "picked": False,
        "note": "",
    }
    return base | more


ROWS = [
    row("a", state="running", progress=0.4, cost_usd=None, client="claude-ai", label="tea"),
    row("b", engine="previs", model="animatic", cost_usd=0, est_cost_usd=0),
    row("c", state="failed", cost_usd=0, client="claude-ai"),
]


def state(rows: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"rows": rows, "spend": SPEND, "jobs": [], "grid": None, "note": "", **more}


def test_who_started_what_and_the_money_against_the_limits(bare: Bare, picture: Callable[..., Path]) -> None:
    board = bare.mount("board", state(ROWS))
    lines = board.get_by_role("listitem")
    expect(lines).to_have_count(3)
    expect(lines.nth(0)).to_contain_text("Running")
    expect(lines.nth(0)).to_contain_text("tea · runway/gen4.5 · shot a")
    expect(lines.nth(0)).to_contain_text("claude-ai")
    expect(lines.nth(1)).to_contain_text("PREVIS")
    expect(lines.nth(1)).to_contain_text("free")
    expect(board).to_contain_text("today $1.20 of $20.00")
    expect(board).to_contain_text("$0.40 held, $14.50 in all; at most $5.00 a job")
    picture("board", board)
    bare.unmount()


def test_filters(bare: Bare) -> None:
    board = bare.mount("board", state(ROWS))
    lines = board.get_by_role("listitem")
    board.get_by_label("State").select_option("In work")
    expect(lines).to_have_count(1)
    board.get_by_label("State").select_option("")
    board.get_by_label("Started by").select_option("claude-ai")
    expect(lines).to_have_count(2)
    board.get_by_label("Any label").or_(board.get_by_label("Label")).first.select_option("tea")
    expect(lines).to_have_count(1)
    board.get_by_label("Label").select_option("")
    board.get_by_label("Started by").select_option("")
    board.get_by_label("Model, prompt or note").fill("shot c")
    expect(board).to_contain_text("1 of 3 jobs")
    board.get_by_label("Model, prompt or note").fill("nothing such")
    expect(lines).to_have_count(0)
    expect(board.get_by_role("status")).to_have_text("No job matches")
    bare.unmount()


def test_the_order_can_be_changed(bare: Bare) -> None:
    board = bare.mount("board", state([row("a", model="z"), row("b", model="a", cost_usd=2.0), row("c", model="m")]))
    lines = board.get_by_role("listitem")
    for order, first in (("Most expensive first", "shot b"), ("By model", "shot b"), ("Newest first", "shot a")):
        board.get_by_label("Sort").select_option(order)
        expect(lines.nth(0)).to_contain_text(first)
    board.get_by_label("Sort").select_option("By model")
    expect(lines.nth(2)).to_contain_text("shot a")
    lines.nth(1).get_by_role("button", name="Star m").click()
    assert bare.asked("mark").body == {"job_id": row("c")["job_id"], "star": True}
    bare.answer()
    bare.set("data", state([row("a"), row("b", star=True), row("c", picked=True, note="softer")]))
    board.get_by_label("Sort").select_option("Starred first")
    expect(lines.nth(0)).to_contain_text("✓ runway/gen4.5 · shot c · softer")
    expect(lines.nth(1).get_by_role("button", name="Star")).to_have_attribute("aria-pressed", "true")
    bare.unmount()


def test_a_grid_plays_what_the_pointer_or_the_focus_is_on(bare: Bare) -> None:
    rows = [row("a", seed=1), row("b", seed=2, state="running"), row("c", seed=2, take=2)]
    board = bare.mount("board", state(rows, grid={"cost": "3 clips: free", "columns": 3}))
    cells, video = board.get_by_role("listitem"), board.locator("video")
    expect(cells.nth(2)).to_contain_text("seed 2, take 2")
    for one in rows:
        bare.lend(one["job_id"], tiny_clip())
    cells.nth(0).hover()
    bare.page.wait_for_function("() => document.querySelector('video')?.currentTime > 0")
    cells.nth(1).hover()
    expect(video).to_have_count(0)  # there is no clip of it yet
    cells.nth(2).get_by_role("button", name="Open").focus()
    expect(video).to_have_count(1)
    cells.nth(2).get_by_role("button", name="Open").blur()
    expect(video).to_have_count(0)
    bare.unmount()


def test_a_job_opens_as_a_card_inside_and_shuts(bare: Bare, picture: Callable[..., Path]) -> None:
    board = bare.mount("board", state(ROWS))
    board.get_by_role("button", name="Open tea, running").press("Enter")
    assert bare.asked("open").body == {"job_id": ROWS[0]["job_id"]}
    bare.answer({}, action="open")
    bare.set("data", state(ROWS, jobs=[JOB | {"job_id": ROWS[0]["job_id"]}]))
    card = board.locator(".rw-card")
    expect(card.get_by_role("button", name="Cancel")).to_be_visible()
    picture("opened", board)
    shut = board.get_by_role("button", name="Close tea, running")
    expect(shut).to_have_attribute("aria-expanded", "true")
    shut.click()
    bare.asked("shut")
    bare.answer({}, action="shut")
    bare.set("data", state(ROWS))
    expect(card).to_be_hidden()
    bare.unmount()


def test_posters_are_asked_for_when_they_are_seen(bare: Bare) -> None:
    many = [row(letter, has_poster=True) for letter in "abcdefghijklmnopqrstuvwxyz"]
    bare.mount("board", state(many))
    bare.asked("poster")
    bare.answer({}, [POSTER], action="poster")
    bare.page.wait_for_function("() => document.querySelector('.rw-line img').naturalWidth === 1")
    assert len([act for act in bare.acts() if act.action == "poster"]) < len(many)
    bare.unmount()


def test_a_running_row_shows_its_newest_picture(bare: Bare) -> None:
    board = bare.mount("board", state([row("a", state="running", preview="1")]))
    picture = board.locator(".rw-line img")
    bare.asked("poster")
    bare.answer({}, [POSTER], action="poster")
    expect(picture).to_be_visible()
    before = picture.get_attribute("src")
    bare.set("data", state([row("a", state="running", preview="2")]))
    bare.asked("poster")
    bare.answer({}, [POSTER], action="poster")
    expect(picture).not_to_have_attribute("src", before or "")
    bare.set("data", state([row("a", state="cancelled")]))
    expect(picture).to_be_hidden()
    bare.unmount()


@pytest.mark.parametrize("look", [Look(), Look(width=280, dark=True)], ids=str)
def test_a_sweep_is_a_grid(bare: Bare, picture: Callable[..., Path], look: Look) -> None:
    rows = [row(letter, seed=number % 2 + 1, model=f"m/{number // 2}") for number, letter in enumerate("abcd")]
    board = bare.mount("board", state(rows, grid={"cost": "4 clips: $2.40 at most", "columns": 2}))
    expect(board).to_contain_text("4 clips: $2.40 at most")
    expect(board.get_by_role("listitem").nth(1)).to_contain_text("m/0, seed 2")
    tops = board.get_by_role("listitem").evaluate_all(
        "cells => cells.map((cell) => Math.round(cell.getBoundingClientRect().top))"
    )
    assert (tops[0] == tops[1]) == (look.width > 480)
    assert bare.page.evaluate("document.documentElement.scrollWidth") <= look.width
    picture("grid", board)
    bare.unmount()
