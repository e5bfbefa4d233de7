"""Readers: files of a data set -> arrays."""
