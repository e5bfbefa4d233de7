"""The methods that are compared on the same test maps: base model, baselines, refiner and upper bound, a file each."""
