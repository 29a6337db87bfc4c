"""The embedded default: PostgreSQL, Kafka and every service from one command, without Docker or Java on the machine."""
