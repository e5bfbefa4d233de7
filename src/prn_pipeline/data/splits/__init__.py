"""Splits, folds and groups of samples."""
