"""Signals, locks and exit codes, shared by all commands."""
