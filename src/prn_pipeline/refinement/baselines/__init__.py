"""Methods that need no training, and the patch oracle."""
