"""Benchmarks: ours, its ceiling and its peer in turn in one run; a table for people, JSON for programs."""
