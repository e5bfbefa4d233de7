"""Predictors in MLflow's model registry: registered, compared with the champion, promoted, rolled back."""
