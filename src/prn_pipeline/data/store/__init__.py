"""Artefacts between stages: arrays, manifests, logits. All are written atomically."""
