"""Engines on the GPUs of a Ray cluster. Ray is imported in a process of its own (`bridge`) and on the cluster's
machines (`actor`), never in a worker: a program that has lost its cluster's head is ended by Ray.
"""
