"""Data sets: settings, readers, splits, stores, and the manifest of every sample found."""
