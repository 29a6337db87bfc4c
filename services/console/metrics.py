"""Every metric of the console."""

from prometheus_client import Counter

PAGES = Counter("vicino_console_pages_total", "Pages and answers of the query API served", ["page"])
