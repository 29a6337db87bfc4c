"""What the doors keep while events come in: orders in flight, instants seen, limits, and pulses."""
