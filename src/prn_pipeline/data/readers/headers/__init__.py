"""What a file says about its size, read from its header before memory is taken for its values."""
