"""Predictors in MLflow's model registry: registration, comparison with the champion, promotion, rollback."""
