"""One Lightning training loop, used by base models and by PRN."""
