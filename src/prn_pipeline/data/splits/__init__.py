"""Who learns from which sample: splits, folds, groups."""
