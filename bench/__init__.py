"""Benchmarks: each measures one promise of the server beside the ceiling of the same machine.

``python -m bench --help`` lists them; ``docs/benchmarks.md`` says how to read what they print.
Load and clients run in processes of their own. Nothing of the package imports this.
"""
