"""Augmentation: random changes of training samples."""
