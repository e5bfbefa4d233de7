"""Signals, locks and exit codes: one home for all commands."""
