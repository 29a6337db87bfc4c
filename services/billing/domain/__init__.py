"""The rules of money, time and quantity. No database, no network, no clock."""
