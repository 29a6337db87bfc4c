"""Expectations of the story: each has a name, and held or did not. None stops the story; all are reported."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Expectation:
    """One thing that had to be so, in an act."""

    act: str
    name: str
    held: bool
    seen: str = ""


@dataclass(slots=True)
class Expectations:
    """All of them, in the order they were looked at."""

    act: str = ""
    found: list[Expectation] = field(default_factory=list)

    def that(self, name: str, held: bool, seen: Any = "") -> None:
        """Note whether something was so; `seen` helps when it was not."""
        self.found.append(Expectation(self.act, name, bool(held), "" if held else str(seen)[:500]))

    def equal(self, name: str, found: Any, wanted: Any) -> None:
        """Note whether two things agree."""
        self.that(name, found == wanted, f"found {found}, wanted {wanted}")

    def of(self, act: str) -> list[Expectation]:
        """Those of an act."""
        return [item for item in self.found if item.act == act]

    @property
    def failed(self) -> list[Expectation]:
        """What was not so."""
        return [item for item in self.found if not item.held]

    @property
    def all_held(self) -> bool:
        """Whether everything was so."""
        return bool(self.found) and not self.failed
