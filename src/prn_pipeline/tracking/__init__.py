"""What MLflow records of a run, which code and data made it, and what each of its stages cost."""
