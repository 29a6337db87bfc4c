"""What every service stands on: Kafka, PostgreSQL, jobs, time and health. It knows nothing of tenants or money."""
