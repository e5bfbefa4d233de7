"""The pages of this project, and what draws and generates parts of them."""
