"""Signals, locks, exit codes, and output without secrets, shared by all commands."""
