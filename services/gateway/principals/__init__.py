"""Whoever speaks and whoever is spoken of: keys, sealed secrets and contacts, and what is known of them."""
