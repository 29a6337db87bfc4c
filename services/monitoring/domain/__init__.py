"""The rules of trouble and time. No database, no network, no clock."""
