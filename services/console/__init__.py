"""The console: the read model of everything, built from the topics alone, and the windows onto it."""
