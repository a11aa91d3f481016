"""What TensorBoard shows of runs: event files, reference lines, HParams, and where to look."""
