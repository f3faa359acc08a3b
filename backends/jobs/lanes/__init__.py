"""Lanes: who drives the jobs of an account or a device, how fast, and when it pauses."""
