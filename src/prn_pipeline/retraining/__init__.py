"""What a scheduler calls: pull data, run what is stale, promote what is better, push. Once at a time."""
