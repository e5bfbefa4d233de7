"""How fast the method is on this machine, against plain versions of the same work: `python -m benchmarks`."""
