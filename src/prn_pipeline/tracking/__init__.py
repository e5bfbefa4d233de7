"""What MLflow records of a run, and what a stage costs."""
