"""The catalogue's pages: docs/models.md whole, and the marked parts of docs/guide-corrected.md.

`python -m tests.catalog.pages` writes them; a test holds them to the data.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from backends.catalog import check, estimate, load
from backends.catalog.price import money
from backends.catalog.schema.row import Row
from backends.costs.ownership import break_even, break_even_table, compare, gpus, usd_per_s
from backends.request import build_request
from tests.catalog.boxes import still
from tests.docs.models import models_page

DOCS = Path(__file__).parents[2] / "docs"
CENT = Decimal("0.01")


@dataclass(frozen=True)
class Claim:
    """A price that the guide states, in dollars a second, and the request that it is about."""

    words: str
    row_id: str
    low: str
    high: str
    fields: dict[str, Any]


TEXT = {"task": "text_to_video", "prompt": "x"}
IMAGE = {"task": "image_to_video", "prompt": "x", "frames": [{"image": "a.png"}]}

CLAIMS = (
    Claim("Sora 2 ~$0.10/s at 720p", "openai/sora-2", "0.10", "0.10", TEXT),
    Claim("Sora 2 Pro ~$0.30-0.50/s", "openai/sora-2-pro", "0.30", "0.50", {**TEXT, "resolution": "1024p"}),
    Claim("Veo 3.1 $0.40/s with audio", "vertex/veo-3.1-generate-001", "0.40", "0.40", {**TEXT, "audio": True}),
    Claim("Veo 3.1 Fast $0.20/s", "vertex/veo-3.1-fast-generate-001", "0.20", "0.20", {**TEXT, "audio": True}),
    Claim("Runway Gen-4 Turbo $0.05-0.10/s", "runway/gen4_turbo", "0.05", "0.10", IMAGE),
    Claim("Runway Gen-4 $0.05-0.10/s", "runway/gen4.5", "0.05", "0.10", TEXT),
    Claim("Kling 2.5 ~$0.10/s standard", "kling/kling-v2-5-turbo", "0.10", "0.10", TEXT),
    Claim("Kling 2.5 ~$0.20/s Master", "kling/kling-v2-5-turbo", "0.20", "0.20", {**TEXT, "resolution": "1080p"}),
    Claim("Hailuo 02 ~$0.03-0.05/s at 720p", "minimax/MiniMax-Hailuo-02", "0.03", "0.05", TEXT),
    Claim("Hailuo 02 ~$0.08/s at 1080p", "minimax/MiniMax-Hailuo-02", "0.08", "0.08", {**TEXT, "resolution": "1080p"}),
    Claim("Pika ~$0.05/s", "fal/pika-v2.2", "0.05", "0.05", TEXT),
)


def price_of(claim: Claim) -> tuple[Row, Decimal]:
    """The row that a claim is about, and its dollars a second for that request today (or until its end)."""
    row = load().get(claim.row_id, include_retired=True)
    facts = {"frames[0].image": still()} if "frames" in claim.fields else {}
    checked = check(build_request(**claim.fields), row, facts)
    cost = estimate(checked, row).usd_high
    assert cost is not None
    assert checked.seconds is not None
    return row, cost / Decimal(str(checked.seconds))


def holds(claim: Claim) -> bool:
    """Whether a claim is right to the cent."""
    _, price = price_of(claim)
    return Decimal(claim.low) <= price.quantize(CENT, ROUND_HALF_UP) <= Decimal(claim.high)


def prices_part() -> str:
    lines = ["| the guide says | model here | now | price of | holds |", "|---|---|---|---|---|"]
    for claim in CLAIMS:
        row, price = price_of(claim)
        now = f"{money(price.quantize(Decimal('0.0001')))}/s"
        if row.state == "retired" and row.retire_on:
            now = f"gone since {row.retire_on.isoformat()} ({now} until then)"
        origin = row.modes[0].price
        sure = "" if origin.verified else ", unverified"
        day = origin.day.isoformat() if origin.day else ""
        said = "yes" if holds(claim) else "no"
        lines.append(f"| {claim.words} | `{row.id}` | {now} | {day}: {origin.source}{sure} | {said} |")
    return "\n".join(lines)


def sums_part() -> str:
    """The guide's sums, done again with the rows."""
    catalog = load()
    sora, pro = (price_of(CLAIMS[i])[1] for i in (0, 1))
    hailuo = usd_per_s(catalog.get("Hailuo 02"))
    assert hailuo is not None
    card, rented = gpus()["RTX 5090"], gpus()["A100 80GB (rented)"]
    cheap, dear = (compare(catalog.get("gen4_turbo"), Decimal(usd), card, Decimal(3600)) for usd in ("0.17", "0.085"))
    hour = compare(catalog.get("Hailuo 02"), hailuo, rented, Decimal(3600)).seconds_an_hour
    assert cheap.minutes is not None
    assert dear.minutes is not None
    assert hour is not None
    return "\n".join(
        [
            "| the guide says | with the rows' figures |",
            "|---|---|",
            f"| a 30-second ad at $0.10/s costs $3 | 30 s x {money(sora)} = {money(sora * 30)} (Sora 2, to its end) |",
            f"| at Sora 2 Pro pricing it costs $15 | 30 s x {money(pro)} = {money(pro * 30)} (to its end) |",
            "| a 5090 amortizes after ~200-400 minutes, depending on tier "
            f"| {cheap.minutes:.0f} minutes against $0.17/s, {dear.minutes:.0f} against $0.085/s |",
            f"| an A100 at $1.50/h breaks even with Hailuo 02 around 30 s of output an hour | {hour:.0f} s |",
        ]
    )


def break_even_part() -> str:
    card = gpus()["RTX 5090"]
    return break_even_table(break_even(load(), card, 3600), card, 3600)


PARTS = {"prices": prices_part, "sums": sums_part, "break-even": break_even_part}


def with_parts(text: str) -> str:
    """The page with its marked parts made anew."""
    for name, make in PARTS.items():
        pattern = re.compile(rf"(<!-- {name}: [^>]*-->\n).*?(<!-- /{name} -->)", re.DOTALL)
        text, count = pattern.subn(lambda found, make=make: f"{found[1]}{make()}\n{found[2]}", text)
        assert count == 1, f"the part {name} is missing"
    return text


def main() -> None:
    (DOCS / "models.md").write_text(models_page(load()), "utf-8")
    guide = DOCS / "guide-corrected.md"
    guide.write_text(with_parts(guide.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
