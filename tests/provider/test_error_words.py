"""A failure of a job that a service took: what was wrong, whether it is charged, what to do; in the text itself."""

from __future__ import annotations

import pytest

from backends.errors import Charged
from backends.provider.outcome import Reported, Service

SERVICE = Service("Kling", "KLING_API_KEY")
LOOK = "look at the account at Kling, or ask its support, before another take is paid"


@pytest.mark.parametrize(
    ("told", "charged", "words"),
    [
        (
            Reported("it broke", "E1"),
            "no",
            "Kling reports a failure (E1): it broke; it is not charged; repeat the call",
        ),
        (Reported("it broke"), "unknown", f"Kling reports a failure: it broke; it may be charged; {LOOK}"),
        (Reported(), "yes", f"Kling reports a failure: without a reason; it is charged; {LOOK}"),
        (
            Reported("no boats", kind="moderation_input", charged="no"),
            "unknown",
            "Kling reports a failure: no boats; it is not charged; change the prompt or the image",
        ),
    ],
)
def test_a_failed_job_says_whether_it_is_charged_and_what_to_do(told: Reported, charged: Charged, words: str) -> None:
    error = SERVICE.failed(told, charged=charged)
    assert (error.message, error.charged) == (words, told.charged or charged)


def test_a_job_without_its_clip_says_so_too() -> None:
    error = SERVICE.no_video("unknown")
    assert error.message == f"Kling says it has succeeded but gave no video; it may be charged; {LOOK}"
    error = SERVICE.no_video("no", "completed")
    assert error.message == (
        "Kling says it has succeeded but gave no video (completed); it is not charged; repeat the call"
    )
    assert (error.kind, error.charged, error.retryable) == ("provider", "no", False)
