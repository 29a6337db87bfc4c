"""What every command that lists something takes."""

from typing import Annotated

import typer

LimitOption = Annotated[int, typer.Option(min=1, help="At most so many.")]
TenantOption = Annotated[str | None, typer.Option("--tenant", help="Only of this tenant: its id.")]
StateOption = Annotated[str | None, typer.Option(help="Only in this state.")]
