"""Many runs at once: which there are, what running them will take, running them, and the leaderboard of them all."""
