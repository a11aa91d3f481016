"""The command line: one door to Hydra, and wrong requests answered in one line."""
