"""The commands of a stage without their start: one process imports, and forks for each call."""
