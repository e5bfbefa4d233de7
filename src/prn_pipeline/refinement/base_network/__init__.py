"""The base model's own network, trained further: what a refiner has to be compared with."""
