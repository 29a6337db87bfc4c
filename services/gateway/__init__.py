"""The gateway: the doors. The only part that talks with resellers; it proves who speaks before it lets an event in."""
