"""Loopback fakes: one real HTTP service a wire protocol, each in a process of its own."""

from tests.fakes.clip import tiny_clip
from tests.fakes.server import FakeServer

__all__ = ["FakeServer", "tiny_clip"]
