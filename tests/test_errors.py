"""VideoError crosses processes and rows unchanged."""

from __future__ import annotations

import pickle

from backends.errors import OwnFault, VideoError


def test_an_error_comes_back_as_it_was() -> None:
    error = VideoError(
        "rate_limited", "slow down", retryable=True, http_status=429, retry_after_s=3.5,
        problems=["a", "b"], nearest={"duration_s": 5},
    )  # fmt: skip
    for copy in (VideoError.from_json(error.to_json()), pickle.loads(pickle.dumps(error))):
        assert copy.to_json() == error.to_json()


def test_a_fault_of_our_own_stays_one() -> None:
    fault = OwnFault("the build lacks a decoder")
    for copy in (VideoError.from_json(fault.to_json()), pickle.loads(pickle.dumps(fault))):
        assert isinstance(copy, OwnFault) and copy.to_json() == fault.to_json()
    assert "own_fault" not in VideoError("provider", "theirs").to_json()


def test_a_kind_of_a_newer_version_is_still_an_error() -> None:
    assert VideoError.from_json({"kind": "from_the_future", "message": "m"}).kind == "provider"
