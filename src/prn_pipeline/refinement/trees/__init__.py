"""Boosted decision trees on the context of each pixel: a refiner that trains in seconds."""
