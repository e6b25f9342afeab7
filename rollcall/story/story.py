"""The story, from top to bottom."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from rollcall.story import (
    auditing,
    catalogue,
    explaining,
    first_update,
    hindered,
    newcomers,
    releasing,
    surveying,
    targets,
)
from rollcall.story.telling import Seen
from rollcall.story.world import World

Step = Callable[[World], Awaitable[Seen]]

STORY: Mapping[str, Sequence[Step]] = {
    "A product, its devices, its firmware": (
        catalogue.create_product,
        catalogue.import_devices,
        catalogue.upload_two_versions,
        catalogue.refuse_a_wrong_version,
        catalogue.refuse_an_unproven_release,
    ),
    "The fleet comes online, and one device goes first": (
        first_update.come_online,
        first_update.lock_one_device,
        first_update.take_the_update,
        first_update.prove_version_2,
    ),
    "Releases do what their previews said": (
        releasing.make_groups,
        releasing.release_to_beta,
        releasing.prove_version_3,
        releasing.choose_the_difficult_ones,
        releasing.release_to_everybody,
        targets.take_the_highest,
        targets.leave_alone,
    ),
    "Newcomers": (
        newcomers.quarantine_a_stranger,
        newcomers.approve_the_stranger,
        newcomers.import_a_latecomer,
    ),
    "Updates that do not work out": (
        hindered.fail_once,
        hindered.fail_until_stuck,
        hindered.wait_for_the_unwilling,
        surveying.survey_the_hindered_fleet,
        hindered.force_the_unwilling,
        surveying.survey_the_fleet,
    ),
    "Why": (
        explaining.explain_five_devices,
        explaining.look_before_the_lock,
        explaining.account_for_billing,
    ),
    "Proof": (
        auditing.derive_every_decision,
        auditing.forge_history,
        auditing.find_all_right_again,
    ),
}


async def tell(world: World, told: list[dict[str, Any]]) -> None:
    """Go through the story, noting in `told` what each step saw. Raises NotAsTold."""
    for title, steps in STORY.items():
        world.telling.chapter(title)
        for step in steps:
            begun = time.monotonic()
            found = await step(world)
            took_s = time.monotonic() - begun
            world.telling.step(found, took_s)
            told.append(
                {
                    "step": step.__name__,
                    "told": found.sentence,
                    "took_s": round(took_s, 3),
                    **found.values,
                }
            )
