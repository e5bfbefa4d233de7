"""The paper's network, its losses, and the fusion of its branches."""
