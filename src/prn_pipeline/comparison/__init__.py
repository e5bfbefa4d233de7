"""The methods that are compared on the same test maps: base model, baselines, refiner, patch oracle; one file each."""
