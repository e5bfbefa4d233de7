"""Retraining for schedulers: pull data, run what is stale, promote better predictors, push results."""
