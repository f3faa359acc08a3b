"""Loopback fakes: one real HTTP service a wire protocol, each in a process of its own."""

from pathlib import Path

from tests.fakes.clip import tiny_clip
from tests.fakes.server import FakeServer

PLUGIN = Path(__file__).parent / "plugin"
"""On PYTHONPATH, it makes the provider "paid" known to every Reelwright process through its entry point."""

__all__ = ["PLUGIN", "FakeServer", "tiny_clip"]
