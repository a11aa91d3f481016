"""What a run leaves: its folder, config, result, checkpoint and verdict."""
