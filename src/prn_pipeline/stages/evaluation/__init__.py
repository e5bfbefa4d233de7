"""Every method on the test maps: measured and scored."""
