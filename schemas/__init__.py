"""The event catalogue: what services send each other, and the only code they share besides the chassis.

Start with `topics.py` (who writes, who reads), then the payload file named after the stream.
`events.py` lists every event type; `envelope.py` carries them.
"""
