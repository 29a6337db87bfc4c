"""What the console makes of facts. No database, no network, no clock."""
