"""The stages, one folder each, in order: ingestion to reporting."""
