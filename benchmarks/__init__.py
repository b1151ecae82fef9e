"""Benchmarks. ``python -m benchmarks`` runs them all, ``python -m benchmarks NAME`` one.

Timings on a shared machine drift, so most results are ratios of two measurements that alternate in one run.
"""
