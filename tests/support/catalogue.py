"""The example catalogue, as tests use it."""

import json
from pathlib import Path
from zoneinfo import ZoneInfo

from schemas.catalogue import Plan

FILE = Path(__file__).parents[2] / "services/local/demo/data/catalogue.json"
CATALOGUE = json.loads(FILE.read_text(encoding="utf-8"))
PLANS = {plan["sku"]: Plan.model_validate(plan) for plan in CATALOGUE["plans"]}
ROME = ZoneInfo("Europe/Rome")
