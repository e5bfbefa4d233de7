"""The steps of the method over stored samples, one file each, named like the pipelines that run them."""
