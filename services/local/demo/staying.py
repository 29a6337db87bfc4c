"""The demo's world, to stay: the story is played once, then everything goes on, with the clock in one's hand."""

from collections.abc import Callable
from contextlib import AsyncExitStack

from rich.console import Console

from services.local.demo.stage import Stage
from services.local.demo.story import play, set_stage, while_it_lives
from services.local.home import Home
from services.local.stack_settings import USUAL_PORTS


async def stay(folder: Home, console: Console, begin: Callable[[Stage], None]) -> None:
    """Play the story in a folder, which is made empty first, and stay until cancelled. `begin` is called when it stays.

    Resellers' receivers, the back-end and the mailbox of the story go on with it. Raises `HomeBusy`, `PartLost`.
    """
    async with AsyncExitStack() as life:
        await life.enter_async_context(folder)
        folder.clear()
        stage = await set_stage(folder, console, life, USUAL_PORTS)
        await while_it_lives(stage.stack, play(stage, console))
        begin(stage)
        await stage.stack.lost()
