"""How far things have come, as a page says it."""

from datetime import UTC, datetime
from itertools import product

from schemas.alerts import AlertState
from services.console.domain.stages import ENDED, OrderStage, alert_state

NOW = datetime(2026, 12, 3, 9, tzinfo=UTC)


def test_an_alert_is_resolved_before_acknowledged_before_escalated_before_open() -> None:
    for acknowledged, escalated, resolved in product((None, NOW), repeat=3):
        wanted = (
            (resolved and AlertState.RESOLVED)
            or (acknowledged and AlertState.ACKNOWLEDGED)
            or (escalated and AlertState.ESCALATED)
            or AlertState.OPEN
        )
        found = alert_state(
            acknowledged_at=acknowledged, escalated_at=escalated, resolved_at=resolved
        )
        assert found is wanted


def test_no_stage_of_work_ranks_as_high_as_an_end() -> None:
    work = [stage.rank for stage in OrderStage if stage not in ENDED]
    assert max(work) < min(stage.rank for stage in ENDED)
