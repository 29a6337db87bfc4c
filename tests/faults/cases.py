"""Every fault, as one function of servers and a seed: do it for real, let the system settle, count."""

from tests.faults import on_cluster, on_connections, on_logs, on_records, on_servers, on_workers

BY_BROKERS = {
    1: {
        **on_workers.CASES,
        **on_servers.CASES,
        **on_connections.CASES,
        **on_logs.CASES,
        **on_records.CASES,
    },
    3: on_cluster.CASES,
}
"""By how many brokers there must be."""

CASES = {name: case for cases in BY_BROKERS.values() for name, case in cases.items()}
