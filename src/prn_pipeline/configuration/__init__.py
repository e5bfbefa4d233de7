"""Parameters of a run: loaded, merged, and checked before any stage starts."""
