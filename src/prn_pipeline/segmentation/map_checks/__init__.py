"""Compares the maps of a base model with the true masks, before anything is learned from them."""
