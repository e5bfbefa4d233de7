"""Base models: everything that gives every pixel a foreground logit, or a logit per class."""
