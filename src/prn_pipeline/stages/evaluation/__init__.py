"""Evaluation of all comparison methods on the test maps."""
