"""Tags: `@hero` in a prompt names the reference "hero".

The rule: only where references are given is a word after @ a tag, and only at the start of a word, so that an e-mail
address or, in a request without references, an @handle is plain text. A tag that no reference has is refused before
anything is paid: the model would get it as a word.
"""

from __future__ import annotations

import difflib
import re

from backends.errors import VideoError
from backends.request import VideoRequest

TAG = re.compile(r"""(?<![^\s"'(\[{,;:“‘«—–])@([A-Za-z][A-Za-z0-9_-]*)""")
"""At the start of the text or of a word, also behind an opening quote or bracket."""

DECLARES = "[# "
"""A prompt with this declares its media in Omni's own words, such as `@Image1`, and is left be."""


def named(request: VideoRequest) -> list[str]:
    """The tags in the prompt and in the keyframes' prompts, each once, in order."""
    texts = [request.prompt, *(frame.prompt or "" for frame in request.frames)]
    return list(dict.fromkeys(tag for text in texts if DECLARES not in text for tag in TAG.findall(text)))


def check_tags(request: VideoRequest) -> None:
    """VideoError("invalid_request") for tags that no reference has, with those there are. Capitals count: the prompt
    goes to the service as it stands."""
    known = [reference.tag for reference in request.references]
    wrong = [tag for tag in named(request) if tag not in known] if known else []
    if not wrong:
        return
    lower = {tag.lower(): tag for tag in known}
    near = difflib.get_close_matches(wrong[0].lower(), lower, n=1, cutoff=0.7)
    hint = f" (did you mean @{lower[near[0]]}?)" if near else ""
    said = " and ".join(f"@{tag[:40]}" for tag in wrong[:3])
    text = (
        f"prompt: no reference is called {said}{hint}; the references are {', '.join(f'@{tag}' for tag in known)}. "
        "Name one of these, give the missing reference, or write the word without its @"
    )
    raise VideoError("invalid_request", text, problems=[text])


def unnamed(request: VideoRequest) -> list[str]:
    """The references that the prompt does not name."""
    used = named(request)
    declared = any(DECLARES in text for text in (request.prompt, *(frame.prompt or "" for frame in request.frames)))
    return [] if declared else [reference.tag for reference in request.references if reference.tag not in used]
