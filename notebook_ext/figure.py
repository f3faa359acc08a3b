"""The part that stays in a saved notebook: a figure of HTML beside the card, which needs no kernel.

Live, the card is shown and the figure hidden; reopened without a kernel it is the other way round, and the notebook's
line about the missing widget is hidden too.
"""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path

from backends.jobs.views import Job
from backends.plain import one_line

POSTER_SIDE = 480
PROMPT_MOST = 300
"""Characters of a prompt in a figure's caption."""
EMBEDDED = 1_500_000
"""The most bytes of a proxy that is written into the notebook, where the clip itself has no address."""

HIDING = (
    ".jp-OutputArea-child:has(.rw)+.jp-OutputArea-child:has(.rw-figure){display:none}"
    ".jp-OutputArea-child:has(+.jp-OutputArea-child .rw-figure):not(:has(.rw)){display:none}"
    ".rw-figure{max-width:960px;margin:4px 0;font:13px/1.45 var(--jp-ui-font-family,system-ui,sans-serif)}"
    ".rw-figure video,.rw-figure img{display:block;max-width:100%;border-radius:4px}"
)
RULES = f"<style>{HIDING}</style>"
IN_WEBVIEW = (
    ":root:not(:has(.jp-OutputArea-child)):has(.rw[data-job~='{job}']) .rw-figure[data-job='{job}']{{display:none}}"
)
"""The same where outputs lie in a document of the host's own, as in VS Code: the figure is hidden beside the live card
of its job."""
AS_PICTURE = (
    "this.closest('.jp-OutputArea-child')||"
    "this.replaceWith(Object.assign(new Image(),{src:this.poster,alt:this.ariaLabel}))"
)
"""For a clip whose address such a document cannot reach: its poster."""


def job_figure(view: Job, prompt: str, poster: Path | None, source: str | None, embedded: bytes | None = None) -> str:
    """HTML of a job in its current state. source: the clip's address relative to the notebook; embedded: a proxy's
    bytes, where there is no such address."""
    picture = data_uri(poster) if poster and poster.exists() else ""
    words = caption(view) + (f". {one_line(prompt, PROMPT_MOST)}" if prompt else "")
    rules = f"<style>{HIDING}{IN_WEBVIEW.format(job=view.job_id)}</style>"
    named = f'class="rw-figure" data-job="{view.job_id}"'
    if view.state != "succeeded":
        return f"{rules}<div {named}>{escape(words)}</div>"
    if source is None and embedded is not None:
        source = "data:video/mp4;base64," + base64.b64encode(embedded).decode()
    shown = escape(prompt or view.task)
    if source is not None:
        still = f' poster="{picture}"' if picture else ""
        first = "none" if picture else "metadata"  # the poster is enough until it is played
        inside = (
            f'<video controls loop muted playsinline preload="{first}"{still} width="{view.width or ""}" '
            f'aria-label="{shown}" src="{escape(source)}" onerror="{AS_PICTURE}"></video>'
        )
    else:
        inside = f'<img alt="{shown}" src="{picture}">' if picture else ""
    return f"{rules}<figure {named}>{inside}<figcaption>{escape(words)}</figcaption></figure>"


def caption(view: Job) -> str:
    """One line: what it is, its state, its cost."""
    lead = "PREVIS (no generative model) " if view.engine == "previs" else ""
    size = f"{view.width}x{view.height}" if view.width else ""
    length = f"{view.duration_s:g} s" if view.duration_s else ""
    money = "free" if view.cost_usd == 0 else f"${view.cost_usd:.4g}" if view.cost_usd is not None else ""
    facts = [fact for fact in (view.model, length, size, money, f"take {view.take}" if view.take > 1 else "") if fact]
    error = f": {view.error.message}" if view.error else ""
    return f"{lead}{view.job_id} {view.state}, {', '.join(facts)}{error}"


def data_uri(poster: Path) -> str:
    """The poster at 480 pixels a side as a data URI: about 10 kB in the notebook."""
    from PIL import Image

    with Image.open(poster) as image:
        image.thumbnail((POSTER_SIDE, POSTER_SIDE))
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "JPEG", quality=60, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
