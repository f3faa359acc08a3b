"""Bytes on disk: kept inputs and clips, their copies and names, and who may read them."""
