"""How far the time of an event may lie from the clock. The one place that says so: the doors and what is behind them ask here."""

from datetime import timedelta

from schemas.topics import USAGE

EARLY_MAX = timedelta(minutes=5)
"""A door accepts what is at most this far ahead of its clock."""

LATE_MAX = timedelta(days=35)
"""A door accepts what happened at most this long ago."""

SKEW_MAX = timedelta(hours=1)
"""So far may two clocks of ours be apart, or one step back."""

LAG_MAX = timedelta(days=USAGE.retention_days)
"""So long may usage lie in Kafka before it is counted: its topic keeps no longer."""
