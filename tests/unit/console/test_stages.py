"""How far things have come, as a page says it."""

from services.console.domain.stages import ENDED, OrderStage


def test_no_stage_of_work_ranks_as_high_as_an_end() -> None:
    work = [stage.rank for stage in OrderStage if stage not in ENDED]
    assert max(work) < min(stage.rank for stage in ENDED)
