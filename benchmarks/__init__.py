"""Benchmarks. ``python -m benchmarks`` runs them all, ``python -m benchmarks NAME`` one.

Timings on a shared machine drift, so what counts is a ratio of two things measured in turn in one run.
"""
