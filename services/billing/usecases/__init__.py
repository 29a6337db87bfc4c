"""What billing does, one verb a file: load, decide by the rules of `domain`, save and publish in the caller's unit."""
