"""What is kept between stages: arrays, manifests, logits; written atomically."""
