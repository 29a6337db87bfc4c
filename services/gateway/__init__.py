"""The gateway: the doors. It alone exchanges messages with resellers; it authenticates a sender before it accepts an event."""
