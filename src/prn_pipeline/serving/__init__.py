"""A trained base model and its refiner, as one predictor: images in, masks out."""
