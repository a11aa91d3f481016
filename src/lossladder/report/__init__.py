"""Reports of sweeps: run folders in; tables, pictures and pages out. Loads no torch."""
