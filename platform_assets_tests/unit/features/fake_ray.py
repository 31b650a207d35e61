"""As much of Ray as a backfill needs, in this process: tasks run as they are submitted, and begin again as often as Ray lets them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any


class Reference:
    """What a task returns one value of."""

    def __init__(self, value: Any) -> None:
        self.value = value


class FakeRay:
    """Runs tasks; `there` are the versions of its one node."""

    def __init__(self, there: Mapping[str, str]) -> None:
        self.there, self.names, self.cancelled = there, list[str](), 0

    @contextmanager
    def join(self, takes: Mapping[str, float], what: str) -> Iterator[FakeRay]:
        assert takes["CPU"] == 1.0
        yield self

    def nodes(self) -> list[dict[str, Any]]:
        node = {"Alive": True, "NodeID": "1" * 56, "NodeManagerAddress": "10.0.0.2"}
        return [{**node, "Resources": {"CPU": 1.0}}, {**node, "Resources": {}}, {**node, "Alive": False}]

    def put(self, value: Any) -> Reference:
        return Reference(value)

    def remote(self, function: Callable[..., Any]) -> FakeTask:
        return FakeTask(self, function)

    def wait(self, references: list[Reference], num_returns: int) -> tuple[list[Reference], list[Reference]]:
        return references[:num_returns], references[num_returns:]

    def get(self, reference: Any) -> Any:
        if isinstance(reference, list):
            return [self.get(one) for one in reference]
        if isinstance(reference.value, BaseException):
            raise reference.value
        return reference.value

    def cancel(self, reference: Reference, force: bool) -> None:
        self.cancelled += 1


class FakeTask:
    """A function that may be submitted."""

    def __init__(self, ray: FakeRay, function: Callable[..., Any]) -> None:
        self._ray, self._function, self._options = ray, function, dict[str, Any]()

    def options(self, **options: Any) -> FakeTask:
        self._options = options
        return self

    def remote(self, *references: Any) -> Any:
        if self._function.__name__ == "versions":
            return Reference(self._ray.there)
        self._ray.names.append(self._options["name"])
        arguments = [one.value if isinstance(one, Reference) else one for one in references]
        values = self._done(arguments)
        returns = self._options["num_returns"]
        if isinstance(values, BaseException):
            values = values if returns == 1 else [values] * returns
        return Reference(values) if returns == 1 else [Reference(value) for value in values]

    def _done(self, arguments: list[Any]) -> Any:
        from ray.exceptions import RayTaskError

        failure: BaseException | None = next((one for one in arguments if isinstance(one, BaseException)), None)
        for _ in range(0 if failure else self._options["max_retries"] + 1):
            try:
                return self._function(*arguments)
            except Exception as error:  # noqa: BLE001 as Ray does: what a task raises is what its references hold
                failure = RayTaskError(self._options["name"], str(error), error)
                if not isinstance(error, tuple(self._options["retry_exceptions"])):
                    break
        return failure
