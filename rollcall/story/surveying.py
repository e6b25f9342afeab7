"""x"""

from rollcall.story.telling import Seen, seen
from rollcall.story.world import World


async def survey_the_hindered_fleet(world: World) -> Seen:
    return seen("todo")


async def survey_the_fleet(world: World) -> Seen:
    return seen("todo")
