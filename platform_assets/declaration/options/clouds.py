"""`cloud`: where what a use case needs of a cloud has to lie.

Belongs here: its values, and what belongs to each cloud. Does not belong here: addresses and credentials, which are settings.
"""

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from platform_assets.declaration.options.base import Option, ToolChoice
from platform_assets.members import MemberRegistry

_SUITE = "contracts/test_options.py::test_what_belongs_to_another_cloud_is_refused"


@dataclass(frozen=True)
class Cloud(Option):
    """A cloud, or none.

    Attributes:
        schemes: of the addresses that are its own, such as `s3`.
        connectors: kinds that read from its services alone.
        secrets: kind of its source of secrets; empty for none of its own.
        terraform: folder of its modules below `deploy/terraform`; empty for none.
        takes_all: whether what belongs to any cloud may stand beside it.
    """

    schemes: tuple[str, ...] = field(default=(), kw_only=True)
    connectors: tuple[str, ...] = field(default=(), kw_only=True)
    secrets: str = field(default="", kw_only=True)
    terraform: str = field(default="", kw_only=True)
    takes_all: bool = field(default=False, kw_only=True)


LOCAL = Cloud(
    "local",
    means="No cloud is meant: what the installation sets counts",
    proven_by=_SUITE,
    takes_all=True,
)
AWS = Cloud(
    "aws",
    means="Everything that belongs to a cloud is of AWS",
    proven_by=_SUITE,
    schemes=("s3", "s3a"),
    connectors=("kinesis",),
    secrets="aws",
    terraform="aws",
)
AZURE = Cloud(
    "azure",
    means="Everything that belongs to a cloud is of Azure",
    proven_by=_SUITE,
    schemes=("abfs", "abfss", "az", "adl", "azure"),
    secrets="azure",
    terraform="azure",
)
GCP = Cloud(
    "gcp",
    means="Everything that belongs to a cloud is of Google Cloud",
    proven_by=_SUITE,
    schemes=("gs", "gcs"),
    secrets="gcp",
    terraform="gcp",
)
SEVERAL = Cloud(
    "several",
    terraform="several",
    means="Services of several clouds stand beside each other",
    proven_by=_SUITE,
    takes_all=True,
)

_MODULE = "platform_assets.declaration.options.clouds"
CLOUD: ToolChoice[Cloud] = ToolChoice(
    "cloud",
    "Which cloud the addresses, the source of secrets, the modules of Terraform and the prices are of",
    "local",
    MemberRegistry(
        "cloud",
        {
            "local": f"{_MODULE}:LOCAL",
            "aws": f"{_MODULE}:AWS",
            "azure": f"{_MODULE}:AZURE",
            "gcp": f"{_MODULE}:GCP",
            "several": f"{_MODULE}:SEVERAL",
        },
    ),
)
CloudName = Annotated[str, BeforeValidator(CLOUD.allowed), WithJsonSchema(CLOUD.schema)]
"""What `cloud` may say."""
