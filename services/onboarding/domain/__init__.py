"""The rules of onboarding. No database, no network, no clock."""
