"""Mutants: small ways to break this program, each of which some test must notice.

Data in `jobs`, `wire` and `media`; `python -m tests.mutants [NAME...]` applies them one by one to a copy of the tree
and runs the tests that should fail.
"""
