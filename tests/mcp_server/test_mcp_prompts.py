"""What a person's host shows as slash commands: listed, filled in, and refused in words."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from mcp_server.prompts import MOST_CHARACTERS, RECIPES
from mcp_server.surface import tools
from tests.rawclient import ERAS, RawClient, RawError, home_env

NAMES = ["animate_photo", "storyboard_to_film", "which_model", "make_vertical"]


@pytest.fixture(scope="module", params=ERAS)
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawClient]:
    with RawClient(home_env(tmp_path_factory.mktemp("prompts")), era=request.param) as running:
        yield running


def test_they_are_listed_with_what_each_needs(client: RawClient) -> None:
    listed = client.request("prompts/list")["prompts"]
    assert [prompt["name"] for prompt in listed] == NAMES
    for prompt in listed:
        assert prompt["title"] and prompt["description"]
        needed = [one["name"] for one in prompt["arguments"] if one.get("required")]
        assert len(needed) == 1 and all(one["description"] for one in prompt["arguments"])


def test_a_person_gets_their_own_words_back_as_the_wish(client: RawClient) -> None:
    given = {"photo": "~/Pictures/{cat}.jpg", "seconds": "8"}
    answer = client.request("prompts/get", {"name": "animate_photo", "arguments": given})
    (message,) = answer["messages"]
    words = message["content"]["text"]
    assert message["role"] == "user" and "~/Pictures/{cat}.jpg" in words and "About 8 seconds" in words
    assert "max_cost_usd=0" in words and "a slow, natural movement" in words, "what is left out has its default"


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("animate", {}, "there is no prompt animate; there are animate_photo, storyboard_to_film"),
        ("make_vertical", {}, "make_vertical needs clip: job_id, path or https address of the clip"),
        ("make_vertical", {"clip": " "}, "make_vertical needs clip"),
        ("make_vertical", {"clip": "a.mp4", "size": "9:16"}, "make_vertical takes clip, subject, not size"),
        ("which_model", {"wish": "x" * (MOST_CHARACTERS + 1)}, "wish is longer than 20000 characters"),
    ],
)
def test_what_cannot_be_filled_in_is_said(client: RawClient, name: str, arguments: dict[str, str], told: str) -> None:
    with pytest.raises(RawError) as caught:
        client.request("prompts/get", {"name": name, "arguments": arguments})
    assert told in str(caught.value) and "-32602" in str(caught.value)


def test_they_name_only_tools_and_arguments_that_exist() -> None:
    known = {tool.name: set(tool.input_schema["properties"]) for tool in tools(50.0)}
    arguments = {name for names in known.values() for name in names} | {"job_ids"}
    for recipe in RECIPES:
        calls = set(re.findall(r"\b[a-z]+_[a-z]+\b", recipe.text)) - set(recipe.arguments)
        assert calls and calls <= known.keys() | arguments, (recipe.name, calls - known.keys() - arguments)
