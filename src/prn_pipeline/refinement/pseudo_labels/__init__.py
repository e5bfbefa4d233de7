"""Optimal patch-wise binarization (paper section 3.1)."""
