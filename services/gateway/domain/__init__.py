"""The rules of the doors. No database, no network, no clock."""
