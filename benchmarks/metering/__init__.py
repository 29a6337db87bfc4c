"""Metering against its ceiling and its peer: bare COPY, a bare decode loop, an idiomatic per-message handler, itself."""
