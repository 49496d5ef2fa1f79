"""Each fault that is over in seconds, under commands through the gateway, ends in the invariants (design §10)."""

import pytest

from faults.catalogue import FAULTS, Harm
from faults.world import CannotRun, World

BRIEF = [
    pytest.param(harm, id=f"{fault.name}: {name}")
    for fault in FAULTS
    if fault.brief
    for name, harm in fault.stack.items()
]


@pytest.mark.parametrize("harm", BRIEF)
async def test_nothing_is_lost_doubled_or_inverted_by(harm: Harm, world: World) -> None:
    try:
        await harm(world)
    except CannotRun as reason:
        pytest.skip(str(reason))
    await world.holds()
