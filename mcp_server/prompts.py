"""Prompts: what users pick from a host's menu (a slash command), filled in and given to the model as their request.

They use only the tools; each lists the calls in the order that costs least.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, GetPromptResult, Prompt, PromptArgument, PromptMessage, TextContent

from backends.plain import said

MOST_CHARACTERS = 20_000
"""The longest argument, in characters: a storyboard of fifty shots is well below it."""


@dataclass(frozen=True)
class Recipe:
    """A prompt. arguments: each with its purpose; a default makes it optional. text: with {NAME} for each."""

    name: str
    title: str
    description: str
    arguments: Mapping[str, str]
    defaults: Mapping[str, str]
    text: str

    @property
    def prompt(self) -> Prompt:
        listed = [
            PromptArgument(name=name, description=words, required=name not in self.defaults)
            for name, words in self.arguments.items()
        ]
        return Prompt(name=self.name, title=self.title, description=self.description, arguments=listed)


RECIPES = (
    Recipe(
        "animate_photo",
        "Animate a photo",
        "A clip from one photo, with its price before it is made.",
        {
            "photo": "path or https address of the photo",
            "motion": "what moves, and how the camera moves",
            "seconds": "length of the clip",
            "budget_usd": "the most that it may cost, US dollars",
        },
        {"motion": "a slow, natural movement that fits the picture", "seconds": "5", "budget_usd": "0"},
        "Animate the photo {photo}: {motion}. About {seconds} seconds; it may cost at most ${budget_usd}.\nLook at "
        "the photo with inspect_clip first. Call estimate_cost with image={photo} and tell me the price and the "
        "model before you spend anything. Then image_to_video with max_cost_usd={budget_usd}: put what moves into "
        "the prompt, a part of the picture that moves into motion, and a move of the camera into camera. Call "
        "wait_for_job, look at the clip with inspect_clip, and tell me the file and what it cost.",
    ),
    Recipe(
        "storyboard_to_film",
        "Make a film of a storyboard",
        "Shots from a storyboard, joined into one film under one budget.",
        {
            "storyboard": "the shots, one a line: what is seen, and how long",
            "aspect_ratio": "shape of the film",
            "music": "path of the music, or none",
            "budget_usd": "the most that all of it may cost, US dollars",
        },
        {"aspect_ratio": "16:9", "music": "none", "budget_usd": "0"},
        "Make one film of this storyboard: {storyboard}.\nShape {aspect_ratio}, music: {music}, at most "
        "${budget_usd} for everything.\nPrice every shot with estimate_cost and tell me the sum first. Start every "
        "shot with the same label, each with its share of the budget as max_cost_usd; where a shot goes on from "
        "the one before, take that job's last frame as its image. Then call finish_clip once with the job_ids in "
        "order (unfinished ones are waited for), with aspect_ratio, crossfade_s, and music if there is any. "
        "wait_for_job, inspect_clip the film, and tell me the file, its length and the whole cost.",
    ),
    Recipe(
        "which_model",
        "Which model for this clip?",
        "The models that can make a clip, with price, time and limits. Nothing is made.",
        {"wish": "the clip that is wanted", "budget_usd": "the most that it may cost, US dollars"},
        {"budget_usd": "no limit"},
        "Which model should make this: {wish}? Budget in US dollars: {budget_usd}.\nCall estimate_cost with "
        "exactly these wishes (length, shape, resolution, sound, images) and, where nothing fits, list_models for "
        "the task. Compare at most four models in a table: price of this clip, how long it takes, resolution, "
        "sound, what it is good at, and whether it can be used here now. Recommend one in a sentence. Start "
        "nothing.",
    ),
    Recipe(
        "make_vertical",
        "Make a clip vertical",
        "A 9:16 version of a clip for phones, made here at no cost.",
        {"clip": "job_id, path or https address of the clip", "subject": "what must stay in the picture"},
        {"subject": "the main subject"},
        "Make a vertical 9:16 version of {clip} that keeps {subject} in the picture.\nLook at it with inspect_clip "
        "to find where that is. Call finish_clip with clips=[{clip}], aspect_ratio=9:16, fit=crop and focus=[x, y] "
        "at its place (shares of the width and height); where a crop would lose it, fit=blur instead. It costs "
        "nothing. wait_for_job, inspect_clip the result, and tell me the file.",
    ),
)

LISTED = tuple(recipe.prompt for recipe in RECIPES)


def get(name: str, arguments: Mapping[str, str]) -> GetPromptResult:
    """A prompt filled in; MCPError (-32602) for an unknown name, or an argument that is missing, unknown or long."""
    recipe = next((one for one in RECIPES if one.name == name), None)
    if recipe is None:
        known = ", ".join(one.name for one in RECIPES)
        raise MCPError(INVALID_PARAMS, f"there is no prompt {said(name[:60])}; there are {known}")
    given = {key: text.strip() for key, text in arguments.items() if text.strip()}
    if strange := sorted(given.keys() - recipe.arguments.keys()):
        raise MCPError(INVALID_PARAMS, f"{name} takes {', '.join(recipe.arguments)}, not {said(strange[0][:60])}")
    if missing := [key for key in recipe.arguments if key not in given and key not in recipe.defaults]:
        raise MCPError(INVALID_PARAMS, f"{name} needs {missing[0]}: {recipe.arguments[missing[0]]}")
    if long := [key for key, text in given.items() if len(text) > MOST_CHARACTERS]:
        raise MCPError(INVALID_PARAMS, f"{long[0]} is longer than {MOST_CHARACTERS} characters")
    words = recipe.text.format(**{**recipe.defaults, **given})
    message = PromptMessage(role="user", content=TextContent(type="text", text=words))
    return GetPromptResult(description=recipe.description, messages=[message])
