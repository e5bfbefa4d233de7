"""Sweeps: the runs that conf/base/benchmark.yml lists, planned, run through DVC, verified and put on a leaderboard."""
