"""VideoError crosses processes and rows unchanged."""

from __future__ import annotations

import pickle

from backends.errors import VideoError


def test_an_error_comes_back_as_it_was() -> None:
    error = VideoError(
        "rate_limited", "slow down", retryable=True, http_status=429, retry_after_s=3.5,
        problems=["a", "b"], nearest={"duration_s": 5},
    )  # fmt: skip
    for copy in (VideoError.from_json(error.to_json()), pickle.loads(pickle.dumps(error))):
        assert copy.to_json() == error.to_json()


def test_a_kind_of_a_newer_version_is_still_an_error() -> None:
    assert VideoError.from_json({"kind": "from_the_future", "message": "m"}).kind == "provider"
