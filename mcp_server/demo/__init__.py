"""The demonstration: two images that we drew ourselves, and a client that makes clips of them through the server."""

from pathlib import Path

STILLS = (Path(__file__).with_name("lake_evening.jpg"), Path(__file__).with_name("lake_dusk.jpg"))
"""The same scene twice: in the second the boat has sailed on and the sun is lower. tests/docs/stills.py draws them."""
