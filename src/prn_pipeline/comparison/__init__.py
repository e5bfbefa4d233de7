"""The methods that are compared on the same test maps: base model, baselines, refiner, upper bound; one file each."""
