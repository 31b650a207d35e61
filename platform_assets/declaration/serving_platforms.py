"""What the declaration knows of a serving platform: its name, and whether packages for it are made.

Belongs here: one object for each platform, and their list, which is the truth about what `serving.platform` may say. Does not belong here:
how a model is packaged for one (`deployment/platforms`).
"""

from dataclasses import dataclass

from platform_assets.members import MemberRegistry


@dataclass(frozen=True)
class DeclaredPlatform:
    """A serving platform.

    Attributes:
        name: what `serving.platform` calls it.
        packaged_by: `package.module:OBJECT` of the `deployment.platforms.base.Platform` that makes its packages.
        refused: why none are made, with the day on which that was decided and the way out; empty where they are.
        extra: of the distribution, needed to make a package, see `platform_assets/extras.py`; empty for none.
    """

    name: str
    packaged_by: str
    refused: str = ""
    extra: str = ""


_PLATFORMS = "platform_assets.deployment.platforms"
BENTO = DeclaredPlatform("bento", f"{_PLATFORMS}.bento:BENTO")
KSERVE = DeclaredPlatform("kserve", f"{_PLATFORMS}.kserve:KSERVE", extra="onnx")
SELDON = DeclaredPlatform("seldon", f"{_PLATFORMS}.seldon:SELDON", extra="onnx")
TRITON = DeclaredPlatform("triton", f"{_PLATFORMS}.triton:TRITON", extra="onnx")
TORCHSERVE = DeclaredPlatform(
    "torchserve",
    f"{_PLATFORMS}.torchserve:TORCHSERVE",
    refused="no package is made for TorchServe (decided 2026-11-30): it gets no fixes since 2025, not of security either. Declare "
    "`triton`, which serves the same networks as ONNX, or `bento`",
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
