"""Which size counts for which step, and what is refused."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from platform_assets.declaration import UseCase
from platform_assets.declaration.sections.compute import Compute
from platform_assets.testing.declare import declare

EVENTS = {"event_id": "int64", "at": "datetime", "amount": "float64"}


def declared(**sections: Any) -> UseCase:
    return declare(events=EVENTS, label="is_late", **sections)


def test_the_most_specific_entry_counts_as_a_whole() -> None:
    use_case = declared(
        compute={"default": {"cpus": 1}, "model": {"cpus": 4}, "model/card": {"cpus": 8}, "service": {"cpus": 3}}
    )
    cpus = {
        "raw": use_case.compute_of("raw", "events").cpus,
        "layer": use_case.compute_of("model").cpus,
        "table": use_case.compute_of("model", "champion").cpus,
        "named": use_case.compute_of("model", "card").cpus,
        "service": use_case.compute_of("service").cpus,
    }
    assert cpus == {"raw": 1, "layer": 4, "table": 4, "named": 8, "service": 3}
    assert use_case.compute_of("model", "card").memory_gigabytes == 4.0, "nothing is taken from `default`"


def test_a_service_is_not_sized_by_default_and_has_one_replica() -> None:
    service = declared(compute={"default": {"cpus": 16}}).compute_of("service")
    assert service.cpus == 1
    assert service.replicas is not None
    assert (service.replicas.least, service.replicas.most) == (1, 1)


def test_training_compute_means_the_steps_that_fit() -> None:
    base = declared().model_dump()
    base["training"]["compute"] = {"cpus": 7}
    use_case = UseCase.model_validate(base)
    assert use_case.compute_of("model", use_case.model_name).cpus == 7
    assert use_case.compute_of("model", "evaluation").cpus == 7
    assert use_case.compute_of("model", "champion") == Compute()


def test_a_stored_declaration_from_before_the_section_loads() -> None:
    stored = declared().model_dump(mode="json")
    del stored["compute"]
    stored["training"]["compute"] = {"cpus": 2.0, "memory_gigabytes": 4.0, "gpus": 0}
    use_case = UseCase.model_validate_json(json.dumps(stored))
    assert use_case.compute_of("model", use_case.model_name) == Compute()
    assert UseCase.model_validate_json(use_case.model_dump_json()) == use_case


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"compute": {"modle": {"cpus": 1}}}, "modle"),
        ({"compute": {"default": {"gpu_sharing": "time_slice"}}}, "needs `gpus`"),
        ({"compute": {"default": {"gpus": 1, "gpu_sharing": "dra"}}}, "node_class"),
        ({"compute": {"default": {"gpus": 1, "gpu_sharing": "mig-9x"}}}, "gpu_sharing"),
        ({"compute": {"features": {"replicas": {"least": 2, "most": 2}}}}, "only `service` has replicas"),
        ({"compute": {"service": {"replicas": {"least": 3, "most": 2}}}}, "most 2 is below least 3"),
        ({"compute": {"model": {"workers": 2}}}, "need `on: ray`"),
        ({"compute": {"raw": {"on": "ray"}}}, "only `model`"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        declared(**sections)


def test_the_same_steps_are_not_sized_twice() -> None:
    base = declared(compute={"model": {"cpus": 4}}).model_dump()
    base["training"]["compute"] = {"cpus": 7}
    with pytest.raises(ValidationError, match=r"keep one of the two"):
        UseCase.model_validate(base)
