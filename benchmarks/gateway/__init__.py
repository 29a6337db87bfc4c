"""The door: events a second through HTTP into Kafka, against a bare loop that does no more than send."""
