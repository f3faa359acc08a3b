"""Content Credentials (C2PA): a signed manifest in every clip that leaves, and the reading of anybody's.

`certificates`, `signing` and `reading` load the native library and run in the sandbox's child alone; `manifest` (what
is claimed) and `words` (what was found, for a reader) are plain data and text.
"""

CHAIN, KEY, ROOT = "chain.pem", "key.pem", "root.pem"
"""The files of a data folder's own certificate: leaf and root, the leaf's key (0600), the root alone."""
