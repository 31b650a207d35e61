"""`serving.platform`: what the declaration knows of a serving platform, its name and whether packages for it are made.

Belongs here: one object for each platform, and their list, which is the truth about what `serving.platform` may say. Does not belong here:
how a model is packaged for one (`deployment/platforms`).
"""

from dataclasses import dataclass, field
from datetime import date
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from platform_assets.declaration.options.base import Option, OptionRefusal, OptionRefused, ToolChoice
from platform_assets.members import MemberRegistry


@dataclass(frozen=True)
class DeclaredPlatform(Option):
    """A serving platform.

    Attributes:
        packaged_by: `package.module:OBJECT` of the `deployment.platforms.base.Platform` that makes its packages.
        extra: of the distribution, needed to make a package, see `platform_assets/extras.py`; empty for none.
        licence: why it is refused to who names no licence; None where none is needed.
    """

    packaged_by: str
    extra: str = field(default="", kw_only=True)
    licence: OptionRefusal | None = field(default=None, kw_only=True)


_PLATFORMS = "platform_assets.deployment.platforms"
_SUITE = "contracts/test_platforms.py::test_its_file_scores_as_the_model_does"
BENTO = DeclaredPlatform(
    "bento",
    f"{_PLATFORMS}.bento:BENTO",
    means="Our own service, as a Bento",
    proven_by="contracts/test_platforms.py::test_what_it_names_is_what_it_wrote_the_same_each_time",
)
KSERVE = DeclaredPlatform(
    "kserve", f"{_PLATFORMS}.kserve:KSERVE", extra="onnx", means="A package for KServe", proven_by=_SUITE
)
SHORTEST_LICENCE = 3
"""Characters that name who holds a licence, or its number."""
SELDON_LICENCE = OptionRefusal(
    "Seldon Core is under the Business Source License, and production use needs a licence of its makers",
    date(2024, 1, 22),
    "Declare `kserve`, or who holds the licence as `serving.licence`",
)
SELDON = DeclaredPlatform(
    "seldon",
    f"{_PLATFORMS}.seldon:SELDON",
    extra="onnx",
    means="A package for Seldon Core 2, where `serving.licence` says by which licence",
    own_keys=("serving.licence",),
    needs={"serving.licence": str(OptionRefused("serving.platform", "seldon", SELDON_LICENCE))},
    licence=SELDON_LICENCE,
    lacks="a check of its resource definition, which no package carries",
    proven_by=_SUITE,
)
TRITON = DeclaredPlatform(
    "triton", f"{_PLATFORMS}.triton:TRITON", extra="onnx", means="A repository for Triton", proven_by=_SUITE
)
TORCHSERVE = DeclaredPlatform(
    "torchserve",
    f"{_PLATFORMS}.torchserve:TORCHSERVE",
    means="A model archive for TorchServe",
    refused=OptionRefusal(
        "it gets no fixes since 2025, not of security either",
        date(2026, 11, 30),
        "Declare `triton`, which serves the same networks as ONNX, or `bento`",
    ),
)

_MODULE = "platform_assets.declaration.serving_platforms"
DECLARED_PLATFORMS: MemberRegistry[DeclaredPlatform] = MemberRegistry(
    "platform",
    {
        "bento": f"{_MODULE}:BENTO",
        "kserve": f"{_MODULE}:KSERVE",
        "seldon": f"{_MODULE}:SELDON",
        "triton": f"{_MODULE}:TRITON",
        "torchserve": f"{_MODULE}:TORCHSERVE",
    },
)
PLATFORM = ToolChoice(
    "serving.platform", "What `platform-assets package` packages a model for", "bento", DECLARED_PLATFORMS
)
PlatformName = Annotated[str, BeforeValidator(PLATFORM.allowed), WithJsonSchema(PLATFORM.schema)]
"""What `serving.platform` may say."""
