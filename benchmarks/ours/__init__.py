"""Our side of the comparison: the engines alone, inside the Trainer, and whole runs."""
