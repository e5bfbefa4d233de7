"""An ensemble of small networks that correct the base logit by region and by detail."""
