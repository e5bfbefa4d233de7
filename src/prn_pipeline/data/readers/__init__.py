"""Files of a data set to arrays."""
