"""What the console does, one verb per file."""
