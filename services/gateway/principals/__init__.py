"""Senders and persons: keys, sealed secrets and contacts, and what is known of them."""
