"""A training shared by several processes: batches, normalisation and loss as in one process."""
