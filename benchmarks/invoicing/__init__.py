"""Invoice runs: how many documents a second, against a plain loop over the raw events."""
