"""Parameters of a run: loaded, merged, checked before anything runs."""
