"""What the gateway does, one verb a file: load, decide by the rules of `domain`, save and publish."""
