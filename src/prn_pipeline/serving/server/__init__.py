"""A server of one predictor, with limits on the size, the time and the number of requests."""
