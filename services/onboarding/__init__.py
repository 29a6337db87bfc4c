"""Onboarding: turns an order into an active tenant, and is the only part that talks with back-ends of services."""
