"""The consumer engine: a slice of a partition is one transaction, and the database knows how far it got.

`fence.py` decides, `logbook.py` tells one log from another, `records.py` and `slices.py` act on a slice,
`partition.py` carries one slice through its transaction, `consumer.py` ties it to Kafka.
"""
