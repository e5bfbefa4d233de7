"""Streaming pixel counts, the scores computed from them, and their confidence intervals."""
