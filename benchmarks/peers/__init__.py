"""What a user would run instead, one small file each. Every package here may be missing."""
