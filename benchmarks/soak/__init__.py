"""Attacks on the whole project, drawn from one seed; see docs/security.md."""
