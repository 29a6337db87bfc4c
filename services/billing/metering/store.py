"""Metering's statements (`queries.sql`)."""

from pathlib import Path

from services.chassis.database import load_queries

sql = load_queries(Path(__file__).parent / "queries.sql")
