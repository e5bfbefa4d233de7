"""All runs of a benchmark in one table, and the average ranks of its methods."""

from prn_pipeline.reporting.leaderboard.formats import terminal
from prn_pipeline.reporting.leaderboard.page import Leaderboard, make_leaderboard
from prn_pipeline.reporting.leaderboard.runs import BenchmarkRun, read_runs

__all__ = ["BenchmarkRun", "Leaderboard", "make_leaderboard", "read_runs", "terminal"]
