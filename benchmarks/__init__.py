"""Measurements; each module is a program: `python -m benchmarks.NAME`. Tables and plots go to `results/`."""
