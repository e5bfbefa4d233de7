"""All cells of a benchmark in one table, and who is ahead."""

from prn_pipeline.reporting.leaderboard.cells import Cell, read_cells
from prn_pipeline.reporting.leaderboard.formats import terminal
from prn_pipeline.reporting.leaderboard.page import Leaderboard, make_leaderboard

__all__ = ["Cell", "Leaderboard", "make_leaderboard", "read_cells", "terminal"]
