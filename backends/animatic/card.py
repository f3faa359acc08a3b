"""text_to_video: a storyboard card. There is no picture to film, so none is pretended: the shot is written down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from backends.animatic.drift import to_json
from backends.animatic.lens import Rgb
from backends.animatic.take import Take
from backends.animatic.timing import frame_count, timecode
from backends.animatic.typesetting import BOLD, CAPITALS, Block, drawable, measure, put, set_block
from backends.media.rates import exact_rate
from backends.provider.protocol import JsonObject, Prepared

PAPER, INK, QUIET, LINE, SLATE = (24, 26, 30), (238, 236, 230), (150, 152, 156), (66, 69, 75), (242, 178, 51)
MARGIN = 0.07
"""Of the shorter side: inside the 90 % that broadcasters call action safe."""
UNREADABLE = 0.4
"""When more than this share of the letters is missing from the fonts, the card says so instead of showing ?s."""
WHAT = "Storyboard card, no generative model"


@dataclass(frozen=True)
class Card:
    """What a card shows. first: the frame number that its timecode starts at. count: how many frames."""

    prompt: str
    shot: str
    width: int
    height: int
    rate: Fraction
    count: int
    first: int = 0

    @property
    def missing(self) -> list[str]:
        """The characters that the font lacks, each once, in order."""
        return list(dict.fromkeys(c for c in self.prompt if not drawable(c)))

    @property
    def readable(self) -> bool:
        letters = [c for c in self.prompt if not c.isspace()]
        return sum(not drawable(c) for c in letters) <= UNREADABLE * len(letters)

    def frames(self) -> Iterator[Rgb]:
        """The card, `count` times, with the timecode running."""
        canvas = self._sheet()
        for frame in range(self.first, self.first + self.count):
            clock, left, top = self._clock(frame)
            rows, columns = clock.shape[:2]
            canvas[top : top + rows, left : left + columns] = clock
            yield canvas

    def block(self) -> Block:
        """The prompt as it is set: the largest type that fits between the two rules."""
        top, bottom = self._rules()
        margin = self._px(MARGIN)
        text = self.prompt
        if not self.readable:
            text = (
                f"The prompt, {len(self.prompt)} characters, is in a script that cards cannot show. "
                "The job keeps it whole."
            )
        return set_block(text, self.width - 2 * margin, bottom - top - 2 * self._px(0.04), self._unit)

    @property
    def _unit(self) -> int:
        return min(self.width, self.height)

    def _px(self, share: float) -> int:
        return max(1, round(self._unit * share))

    def _rules(self) -> tuple[int, int]:
        """The heights of the lines under the slate and over the foot."""
        return self._px(MARGIN + 0.085), self.height - self._px(MARGIN + 0.125)

    def _sheet(self) -> Rgb:
        """All but the timecode."""
        sheet = np.empty((self.height, self.width, 3), np.uint8)
        sheet[:] = PAPER
        margin, (top, bottom) = self._px(MARGIN), self._rules()
        right = self.width - margin
        for height in (top, bottom):
            sheet[height : height + self._px(0.003), margin:right] = LINE
        self._slate(sheet, margin, right, top)
        block = self.block()
        first = (top + bottom - block.height) / 2 + block.size * CAPITALS
        for number, line in enumerate(block.lines):
            put(sheet, line, (margin, first + block.leading * number), block.size, INK)
        length = f"{float((self.first + self.count) / self.rate):g} s   {float(self.rate):.5g} fps"
        put(sheet, length, (right, bottom + self._px(0.06)), self._px(0.042), QUIET, "right")
        for number, line in enumerate(self._foot()):
            put(sheet, line, (margin, bottom + self._px(0.115 + 0.04 * number)), self._px(0.03), QUIET)
        return sheet

    def _slate(self, sheet: Rgb, left: int, right: int, rule: int) -> None:
        """The word that says what this is, and the shot's label."""
        size = self._px(0.04)
        wide, tall = measure("ANIMATIC", size, BOLD) + size, round(size * 1.7)
        top = rule - self._px(0.025) - tall
        baseline = top + (tall + size * CAPITALS) / 2
        sheet[top : top + tall, left : left + wide] = SLATE
        put(sheet, "ANIMATIC", (left + wide / 2, baseline), size, PAPER, "middle", BOLD)
        if self.shot:
            put(sheet, f"SHOT {self.shot}", (right, baseline), size, INK, "right")

    def _foot(self) -> list[str]:
        if self.missing and self.readable:
            return [WHAT, f"Characters that the font lacks show as ?: {len(self.missing)}"]
        return [WHAT]

    def _clock(self, frame: int) -> tuple[Rgb, int, int]:
        """The timecode as a patch and where it lies: every figure in a cell of one width, so that it doesn't dance."""
        size = self._px(0.05)
        cell = max(measure(figure, size) for figure in "0123456789") + 1
        text = timecode(frame, self.rate)
        patch = np.empty((self._px(0.06), cell * len(text), 3), np.uint8)
        patch[:] = PAPER
        for place, figure in enumerate(text):
            put(patch, figure, (cell * (place + 0.5), patch.shape[0] - size * 0.12), size, INK, "middle")
        _, bottom = self._rules()
        return patch, self._px(MARGIN), bottom + self._px(0.06) - patch.shape[0] + round(size * 0.12)

    def to_json(self) -> JsonObject:
        """What an extension needs to go on with the same card."""
        return {"prompt": self.prompt, "shot": self.shot}

    def continued(self, count: int) -> Card:
        """The frames after this card's last."""
        return replace(self, first=self.first + self.count, count=count)


def card_take(prepared: Prepared) -> Take:
    """The take for text_to_video."""
    request = prepared.request
    rate = exact_rate(request.fps or 24)
    count = frame_count(request.duration_s or 5, rate)
    shot = request.provider_options.get("shot", "")
    card = Card(request.prompt, str(shot), prepared.width, prepared.height, rate, count)
    return Take(
        frames=card.frames(),
        count=count,
        rate=rate,
        phase="writing the storyboard card",
        sidecar={"kind": "card", "card": card.to_json(), "velocity": to_json(np.zeros((3, 3)))},
        facts={"method": "storyboard card", "missing_glyphs": "".join(card.missing)[:100]},
        notes=_notes(card),
    )


def _notes(card: Card) -> list[str]:
    notes = ["text alone gives a storyboard card: give an image for a moving picture, or a generative model for both"]
    if not card.readable:
        notes.append(
            "the prompt is in a script that cards cannot show (they have Latin, Greek, Cyrillic and East Asian type): "
            "the card says so; the job keeps the prompt"
        )
    elif card.missing:
        shown = " ".join(card.missing[:12])
        notes.append(f"the card's fonts lack {len(card.missing)} of the prompt's characters ({shown}): they show as ?")
    if card.block().cut:
        notes.append("the prompt has more lines than the card has room for: it ends in ..., the job keeps it whole")
    return notes
