"""Style, camera, motion, loop, effect, LoRAs and provider options of a request against a box."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import JsonValue

from backends.camera import CAMERA_MOVES, CameraMove
from backends.catalog.rules.fitting import Fitting, judge_prompt_length
from backends.catalog.rules.wishes import meant
from backends.catalog.rules.words import same_word
from backends.catalog.schema.span import Option, number_text
from backends.regions import MotionRegion


def judge_style(fit: Fitting) -> None:
    """A style of the model's own stays; any other goes into the prompt as words, and the notes say so."""
    style, legal, name = fit.request.style.strip(), fit.mode.styles, fit.row.id
    if not style:
        return
    if legal:
        if (own := same_word(style, legal)) is not None:
            fit.settled["style"] = own
            return
        near = meant(style, list(legal))
        text = f"style {style[:40]!r}: {name} has {', '.join(legal)}; or put the words into prompt"
        fit.wrong("style", text, {"style": near or ""})
    elif not fit.mode.prompt_max or not fit.mode.prompt_followed:
        text = f"style: {name} follows no words for {fit.request.task}: leave it out"
        fit.wrong("style", text, {"style": ""}, lacking=True)
    else:
        words = f"Style: {style.rstrip('.')}."
        fit.settled["prompt"] = f"{fit.request.prompt.rstrip()} {words}".strip()
        fit.settled["style"] = ""
        fit.notes.append(f'the style goes into the prompt as words: "{words}"')


def judge_camera(fit: Fitting) -> None:
    """Native moves stay; for a model that takes words they go into the prompt, and the notes say so."""
    moves, rule = fit.request.camera, fit.mode.camera
    asked = str(fit.settled.get("prompt", fit.request.prompt))
    if not moves:
        _camera_left_out(fit)
        judge_prompt_length(fit, asked)
        return
    if rule.how == "none":
        held = ": give each keyframe its own, with hold_s" if fit.mode.frames.holds else ""
        text = f"camera: {fit.row.id} has no camera control for {fit.request.task}{held}"
        fit.wrong("camera", text, {"camera": ()}, lacking=True)
    elif len(moves) > rule.high:
        text = f"camera: {len(moves)} moves given; {fit.row.id} takes at most {rule.high}"
        fit.wrong("camera", text, {"camera": moves[: rule.high]})
    elif rule.how == "native":
        _judge_native(fit, moves)
    else:
        words = camera_words(moves, fit)
        prompt = f"{asked.rstrip()} {words}".strip()
        fit.settled["prompt"], fit.settled["camera"] = prompt, ()
        fit.notes.append(f'the camera goes into the prompt as words: "{words}"; the model may follow it loosely')
        judge_prompt_length(fit, prompt)
        return
    judge_prompt_length(fit, asked)


def _camera_left_out(fit: Fitting) -> None:
    """A move that nobody requested is made only where the ticket says so."""
    rule = fit.mode.camera
    if rule.unasked and fit.request.motion:
        return
    if rule.unasked:
        fit.settled["camera"] = (CameraMove.parse(rule.unasked),)
    if rule.left_out:
        fit.notes.append(rule.left_out)


def _judge_native(fit: Fitting, moves: Sequence[CameraMove]) -> None:
    rule = fit.mode.camera
    if foreign := [move.move for move in moves if move.move not in rule.moves]:
        legal = ", ".join(move for move in CAMERA_MOVES if move in rule.moves)
        kept = tuple(move for move in moves if move.move in rule.moves)
        fit.wrong("camera", f"camera {foreign[0]}: {fit.row.id} has {legal}", {"camera": kept}, lacking=True)
        return
    if not rule.timed and any(move.from_s is not None for move in moves):
        whole = tuple(move.model_copy(update={"from_s": None, "to_s": None}) for move in moves)
        fit.wrong("camera", f"camera: {fit.row.id} moves for the whole clip: leave @from-to out", {"camera": whole})
        return
    duration = fit.settled.get("duration_s")
    late = max((move.to_s or 0.0 for move in moves), default=0.0)
    if isinstance(duration, int | float) and late > duration + 1e-6:
        cut = tuple(_ended_by(move, float(duration)) for move in moves if (move.from_s or 0.0) < duration)
        text = f"camera: a move ends at {number_text(late)} s, the clip at {number_text(duration)} s"
        fit.wrong("camera", text, {"camera": cut})


def _ended_by(move: CameraMove, duration: float) -> CameraMove:
    if move.to_s is None or move.to_s <= duration:
        return move
    return move.model_copy(update={"to_s": duration})


def camera_words(moves: Sequence[CameraMove], fit: Fitting) -> str:
    """Moves as a sentence for the prompt; the model's own words where it has them."""
    tokens = fit.mode.camera.tokens
    said: list[str] = []
    plain: list[str] = []
    for move in moves:
        if move.move in tokens:
            said.append(f"[{tokens[move.move]}]")
            continue
        force = "slight" if move.amount < 0.25 else "gentle" if move.amount <= 0.5 else "strong"
        when = "" if move.from_s is None else f" from {number_text(move.from_s)} s to {number_text(move.to_s or 0)} s"
        name = move.move.replace("-", " ")
        text = "the camera is locked off" if move.move == "static" else f"{force} {name} ({CAMERA_MOVES[move.move]})"
        plain.append(text + when)
    if plain:
        said.append(f"Camera: {', then '.join(plain)}.")
    return " ".join(said)


def judge_motion(fit: Fitting) -> None:
    """Motion regions; values beyond 1 are refused with the conversion from pixels."""
    regions, most = fit.request.motion, fit.mode.motion
    if not regions:
        return
    if not most:
        text = f"motion: {fit.row.id} has no motion brush for {fit.request.task}: say the motion in the prompt"
        fit.wrong("motion", text, {"motion": ()}, lacking=True)
        return
    if len(regions) > most:
        text = f"motion: {len(regions)} regions given; {fit.row.id} takes at most {most}"
        fit.wrong("motion", text, {"motion": regions[:most]})
    fixed = [_in_units(fit, region) for region in regions]
    change = tuple(new or old for (new, _), old in zip(fixed, regions, strict=True))[:most]
    for number, (region, (corrected, unit)) in enumerate(zip(regions, fixed, strict=True)):
        if corrected is region:
            continue
        shape = "box" if region.box else "polygon"
        if corrected is None:
            text = f"motion[{number}].{shape}: values are 0..1 of the image (left, top, right, bottom), not pixels"
            fit.wrong("motion", f"{text}: divide x by the image's width and y by its height")
            continue
        picture = fit.picture or fit.clip
        size = f"{picture.width}x{picture.height} {picture.kind}" if picture and unit == "pixels" else "image"
        text = (
            f"motion[{number}].{shape} looks like {unit}: values are 0..1; for this {size} write "
            f"{corrected.box or corrected.polygon}"
        )
        fit.wrong("motion", text, {"motion": change})


def _in_units(fit: Fitting, region: MotionRegion) -> tuple[MotionRegion | None, str]:
    """The region in 0..1 and what its values were taken for: itself when they are 0..1, converted from percent or
    pixels; None when that cannot be done. Up to 100 they are percent: nobody marks a corner of 100 pixels."""
    points = [region.box[:2], region.box[2:]] if region.box else region.polygon or []
    values = [value for point in points for value in point]
    if all(value <= 1 for value in values):
        return region, ""
    picture, unit = fit.picture or fit.clip, "percent" if max(values) <= 100 else "pixels"
    if unit == "percent":
        width = height = 100
    elif picture is None or any(x > picture.width or y > picture.height for x, y in points):
        return None, unit
    else:
        width, height = picture.width, picture.height
    units = [[round(x / width, 4), round(y / height, 4)] for x, y in points]
    if region.box:
        return region.model_copy(update={"box": units[0] + units[1]}), unit
    return region.model_copy(update={"polygon": units}), unit


def judge_loop(fit: Fitting) -> None:
    if not fit.request.loop:
        return
    how, name = fit.mode.loop, fit.row.id
    if how == "none":
        text = f"loop: {name} cannot make a seamless loop for {fit.request.task}"
        fit.wrong("loop", text, {"loop": False}, lacking=True)
    elif how == "last_is_first":
        if len(fit.request.frames) > 1:
            text = "loop: the clip has a last frame of its own; give the first image alone, or no loop"
            fit.wrong("loop", text, {"loop": False})
        else:
            fit.notes.append("the loop is made by giving the first image as the last frame too")


def judge_effect(fit: Fitting) -> None:
    asked, legal, name = fit.request.effect, fit.mode.effects, fit.row.id
    if asked is None:
        if fit.mode.effect_required:
            fit.wrong("effect", f"effect: {name} needs one of {', '.join(legal)}")
        return
    if not legal:
        fit.wrong("effect", f"effect {asked[:40]!r}: {name} has no effects", {"effect": None}, lacking=True)
        return
    if (own := same_word(asked, legal)) is not None:
        fit.settled["effect"] = own
        return
    near = meant(asked, list(legal))
    text = f"effect {asked[:40]!r}: {name} has {', '.join(legal)}"
    fit.wrong("effect", text, None if near is None else {"effect": near})


def judge_loras(fit: Fitting) -> None:
    given, most = fit.request.loras, fit.mode.loras
    if given and not most:
        fit.wrong("loras", f"loras: {fit.row.id} takes none", {"loras": ()}, lacking=True)
    elif len(given) > most:
        text = f"loras: {len(given)} given; {fit.row.id} takes at most {most}"
        fit.wrong("loras", text, {"loras": given[:most]})


def judge_options(fit: Fitting) -> None:
    """provider_options: every unknown one and every illegal value, corrected together. What no similar name or value
    corrects is left out of the change, which then gives something up."""
    given, legal = fit.request.provider_options, fit.mode.options
    kept: dict[str, JsonValue] = {}
    wrong: list[str] = []
    for asked, worded in given.items():
        key = same_word(asked, legal) or asked
        option = legal.get(key)
        value = _own_word(option, worded)
        if option is None:
            near = meant(key, [name for name in legal if name not in given])
            if near and _illegal(legal[near], value) is None:
                kept[near] = value
            hint = f"did you mean {near}? " if near else ""
            names = ", ".join(legal) or "none"
            wrong.append(f"provider_options.{key[:40]}: {hint}{fit.row.id} takes {names} for {fit.request.task}")
        elif (reason := _illegal(option, value)) is not None:
            wrong.append(f"provider_options.{key}: {reason}")
            if (near_value := _nearest_value(option, value)) is not None:
                kept[key] = near_value
        else:
            kept[key] = value
    for text in wrong:
        fit.wrong("provider_options", text, {"provider_options": kept})
    if not wrong and kept != given:
        fit.settled["provider_options"] = kept


def _own_word(option: Option | None, value: JsonValue) -> JsonValue:
    """The option's own spelling of a word, whatever its capitals."""
    if option is None or not isinstance(value, str):
        return value
    return same_word(value, (word for word in option.values if isinstance(word, str))) or value


def _nearest_value(option: Option, value: JsonValue) -> JsonValue:
    """The legal value that a wrong one stands for: in range, of its type, spelt right. None when nobody can say."""
    if isinstance(value, str) and option.kind in ("number", "integer"):
        value = _number(value)
    if isinstance(value, str) and option.kind == "boolean":
        return {"true": True, "false": False}.get(value.lower())
    if isinstance(value, str):
        words = [word for word in option.values if isinstance(word, str)]
        return meant(value, words)
    if isinstance(value, bool) or not isinstance(value, int | float) or option.kind not in ("number", "integer"):
        return None
    if option.values:
        numbers = [one for one in option.values if isinstance(one, int | float)]
        return min(numbers, key=lambda one: abs(one - value), default=None)
    low = value if option.low is None else max(value, option.low)
    near = low if option.high is None else min(low, option.high)
    return round(near) if option.kind == "integer" or near == int(near) else near


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _illegal(option: Option, value: JsonValue) -> str | None:
    """Why a value is not legal, None when it is."""
    kinds: dict[str, tuple[type, ...]] = {
        "boolean": (bool,),
        "integer": (int,),
        "number": (int, float),
        "text": (str,),
    }
    right = isinstance(value, kinds[option.kind]) and (option.kind == "boolean" or not isinstance(value, bool))
    if right and option.values:
        right = value in option.values
    if right and isinstance(value, int | float) and not isinstance(value, bool):
        right = (option.low is None or value >= option.low) and (option.high is None or value <= option.high)
    if right and isinstance(value, str) and option.high is not None:
        right = 1 <= len(value) <= option.high
    if right:
        return None
    most = f" of 1 to {option.high:g} characters" if option.kind == "text" and option.high is not None else ""
    return f"takes {option}{most}, not {str(value)[:40]!r}{f': {option.why}' if option.why else ''}"
