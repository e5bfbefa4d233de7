"""How good a mask is likely to be, judged from maps without the truth."""
