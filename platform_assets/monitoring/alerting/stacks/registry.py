"""The monitoring stacks that `monitoring.stack` can name, and a function of a team's own in place of one.

Belongs here: the list, and calling that function. Does not belong here: any stack.
"""

from platform_assets.members import MemberRegistry, imported
from platform_assets.monitoring.alerting.stacks.base import AlertedWorld, AlertStack, Rendered

_HERE = "platform_assets.monitoring.alerting.stacks"

STACKS: MemberRegistry[AlertStack] = MemberRegistry(
    "monitoring stack",
    {
        "prometheus": f"{_HERE}.prometheus:STACK",
        "datadog": f"{_HERE}.datadog:STACK",
        "newrelic": f"{_HERE}.newrelic:STACK",
        "custom": f"{_HERE}.custom:STACK",
    },
)


class StackUnusable(ValueError):
    """A function that is to write a stack's files does not; the message names it and what lacks."""


def rendered_by_function(path: str, world: AlertedWorld) -> Rendered:
    """What a team's own function writes for their stack.

    Args:
        path: `module:function`, as `monitoring.rendered_by` names it.
        world: what alerts are rendered for.

    Raises:
        StackUnusable: it returns something else, or neither writes an alert nor leaves it out with a reason.
    """
    rendered = imported(path)(world)
    if not isinstance(rendered, Rendered):
        raise StackUnusable(f"{path} returned {type(rendered).__name__}: return Rendered(files, left_out, notes)")
    text = "".join(rendered.files.values())
    lost = sorted(
        {alert.name for _, alert in world.alerts() if alert.name not in text and not rendered.left_out.get(alert.name)}
    )
    if lost:
        raise StackUnusable(
            f"{path} writes no {', '.join(lost)}, and does not say why: write them, or name them in `left_out` with a reason"
        )
    return rendered
