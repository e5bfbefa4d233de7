"""Pages for readers: one self-contained HTML report per run, and the leaderboard of a benchmark."""
