"""Metering: every usage event counted once, and kept so that it can be counted again."""
