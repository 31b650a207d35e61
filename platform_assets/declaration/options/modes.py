"""`serving.mode`: which doors of a model are built.

Belongs here: its values, and the keys of doors that other modes do not have. Does not belong here: the doors (`serving/doors`).
"""

from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from platform_assets.declaration.options.base import Option, ToolChoice
from platform_assets.members import MemberRegistry

_SERVICE = ("serving.fallback", "serving.log", "serving.tracing")
"""Of every service."""
_ASKED = (*_SERVICE, "serving.callers", "serving.overload", "serving.guards", "monitoring.objectives")
"""Of a service that callers ask."""
_STREAM = ("serving.stream",)
_DELIVERED = ("predictions",)
_DOORS = "unit/declaration/test_stream_door.py::test_each_mode_opens_its_doors"
_STREAM_TEST = (
    "serving/test_stream_door.py::test_a_killed_process_loses_nothing_doubles_nothing_and_keeps_the_order_of_keys"
)
REALTIME = Option(
    "realtime",
    means="A service is asked for each event",
    own_keys=_ASKED,
    proven_by="serving/test_service.py::test_a_scored_event_is_answered_and_logged_with_what_it_was_made_from",
)
BATCH = Option(
    "batch",
    means="A table of predictions for each day",
    proven_by="onboarding/test_batch_mode.py::test_every_hour_of_the_live_days_is_predicted_once",
)
STREAMING = Option(
    "streaming",
    means="Events of a topic are scored into another one",
    own_keys=(*_SERVICE, *_STREAM),
    proven_by=_STREAM_TEST,
)
HYBRID = Option("hybrid", means="Both, `realtime` and `streaming`", own_keys=(*_ASKED, *_STREAM), proven_by=_DOORS)
EXTERNAL = Option(
    "external",
    means="Somebody else's system answers, and its scores are delivered",
    own_keys=_DELIVERED,
    proven_by="unit/pipelines/test_delivered_scores.py::test_predictions_are_the_delivered_scores_beside_features",
)

_MODULE = "platform_assets.declaration.options.modes"
MODE: ToolChoice[Option] = ToolChoice(
    "serving.mode",
    "Which doors of a model are built",
    "realtime",
    MemberRegistry(
        "mode",
        {
            "realtime": f"{_MODULE}:REALTIME",
            "batch": f"{_MODULE}:BATCH",
            "streaming": f"{_MODULE}:STREAMING",
            "hybrid": f"{_MODULE}:HYBRID",
            "external": f"{_MODULE}:EXTERNAL",
        },
    ),
)
ModeName = Annotated[str, BeforeValidator(MODE.allowed), WithJsonSchema(MODE.schema)]
"""What `serving.mode` may say."""
