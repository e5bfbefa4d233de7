"""The paper's network, its losses and fusion."""
