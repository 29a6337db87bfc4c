"""Every fault, as one function of servers and a seed: do it for real, let the system settle, count."""

from tests.faults import on_logs, on_records, on_servers, on_workers

CASES = {**on_workers.CASES, **on_servers.CASES, **on_logs.CASES, **on_records.CASES}
