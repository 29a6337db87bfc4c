"""How far a consumer is behind, by topic: the records in Kafka that it has not acted on yet."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping

from aiokafka import TopicPartition

from schemas.topics import Topic
from services.chassis import metrics
from services.chassis.engine.progress import Progress
from services.chassis.logs import logger

log = logger(__name__)


class LagGauge:
    """Sets the metric. `topics` are by their names in Kafka; `done` asks the database for a next offset."""

    def __init__(
        self,
        topics: Mapping[str, Topic],
        progress: Progress,
        done: Callable[[TopicPartition], Awaitable[int]],
    ) -> None:
        self._topics, self._progress, self._done = topics, progress, done

    async def measure(self, behind: Mapping[TopicPartition, int]) -> None:
        """Measure again; `behind` has what waits in each partition that is ours."""
        for tp, waiting in behind.items():
            if not waiting:
                self._progress.touch(tp)
        # While nothing is assigned to us, what waits is known from the database alone.
        behind = behind or await self._by_the_database()
        lag: dict[str, int] = defaultdict(int)
        for tp, waiting in behind.items():
            lag[self._topics[tp.topic].name] += waiting
        for topic in self._topics.values():
            metrics.LAG.labels(topic.name).set(lag[topic.name])

    async def _by_the_database(self) -> dict[TopicPartition, int]:
        ends = self._progress.ends
        try:
            return {tp: max(0, end - await self._done(tp)) for tp, end in ends.items()}
        except Exception as error:  # noqa: BLE001 - measuring is not worth a restart; readiness reports the database
            log.warning("cannot measure how far behind this consumer is", error=repr(error))
            return {}
