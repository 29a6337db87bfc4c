"""Whatever is done to workers, nothing is lost, doubled or wrong. `make faults` does the same many times over."""

import pytest

from tests.faults.on_workers import CASES
from tests.faults.servers import Servers
from tests.faults.short import each, hold

pytestmark = pytest.mark.cluster


@pytest.mark.timeout(180)
@pytest.mark.parametrize("fault", each(CASES))
async def test_nothing_is_lost_doubled_or_wrong(ill_treated: Servers, fault: str) -> None:
    await hold(CASES, ill_treated, fault)
