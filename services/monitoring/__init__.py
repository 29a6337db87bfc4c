"""Monitoring: turns trouble into alerts for the assigned reseller, watches the clock, escalates. It calls nobody."""
