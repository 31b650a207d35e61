"""What the test API answers when it refuses, as Kubernetes' Status objects.

Belongs here: one exception for all refusals, and one function for each reason, with the words of a real API server.
Does not belong here: who refuses and why.
"""

from typing import Any

from platform_assets_tests.kubernetes.cluster.kinds import Kind


class ApiError(Exception):
    """A refusal: HTTP status, reason as in Kubernetes (`NotFound`, `Conflict`, ...), message, and details."""

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        details: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message
        self.details, self.headers = details or {}, headers or {}

    def body(self) -> dict[str, Any]:
        """The Status object."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.status,
        }
        if self.details:
            status["details"] = self.details
        return status


def _details(kind: Kind, name: str) -> dict[str, Any]:
    return {key: value for key, value in {"name": name, "group": kind.group, "kind": kind.plural}.items() if value}


def not_found(kind: Kind, name: str) -> ApiError:
    """No such object."""
    return ApiError(404, "NotFound", f'{kind.resource} "{name}" not found', _details(kind, name))


def already_exists(kind: Kind, name: str) -> ApiError:
    """Created a second time."""
    return ApiError(409, "AlreadyExists", f'{kind.resource} "{name}" already exists', _details(kind, name))


def conflict(kind: Kind, name: str, why: str = "") -> ApiError:
    """Another version is stored than the one that was changed."""
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(kind, name))


def apply_conflict(conflicts: list[tuple[str, str]]) -> ApiError:
    """Server-side apply of fields that other managers own.

    Args:
        conflicts: manager as users read it, and field, of each.
    """
    managers: dict[str, list[str]] = {}
    for manager, field in conflicts:
        managers.setdefault(manager, []).append(field)
    several = "s" if len(conflicts) > 1 else ""
    if len(managers) == 1 and not several:
        told = f'conflict with "{conflicts[0][0]}": {conflicts[0][1]}'
    else:
        told = f"conflict{several} with " + "\n".join(
            f'"{manager}":\n' + "\n".join(f"- {field}" for field in fields) for manager, fields in managers.items()
        )
    count = f"{len(conflicts)} conflict{several}"
    causes = [
        {"reason": "FieldManagerConflict", "message": f'conflict with "{manager}"', "field": field}
        for manager, field in conflicts
    ]
    return ApiError(409, "Conflict", f"Apply failed with {count}: {told}", {"causes": causes})


def invalid(kind: Kind, name: str, causes: list[tuple[str, str, str]]) -> ApiError:
    """The object breaks rules of its kind.

    Args:
        kind: of the object.
        name: of the object.
        causes: reason (`FieldValueRequired`, `FieldValueInvalid`, ...), field and message of each.
    """
    told = [f"{field}: {message}" for _, field, message in causes]
    all_of_it = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    shown = f"{kind.name}.{kind.group}" if kind.group else kind.name
    details = {
        **_details(kind, name),
        "kind": kind.name,
        "causes": [{"reason": reason, "message": message, "field": field} for reason, field, message in causes],
    }
    return ApiError(422, "Invalid", f'{shown} "{name}" is invalid: {all_of_it}', details)


def forbidden(kind: Kind, name: str, why: str) -> ApiError:
    """Not allowed: by roles, by quota, in a namespace that is being deleted."""
    shown = f'{kind.resource} "{name}"' if name else kind.resource
    return ApiError(403, "Forbidden", f"{shown} is forbidden: {why}", _details(kind, name))


def bad_request(message: str) -> ApiError:
    """Nothing that can be read as an object of this kind."""
    return ApiError(400, "BadRequest", message)


def gone(message: str) -> ApiError:
    """A resource version or a continue token that is too old."""
    return ApiError(410, "Expired", message)


def too_many_requests(message: str, retry_seconds: int = 1, details: dict[str, Any] | None = None) -> ApiError:
    """Come back later: overload, or a disruption budget."""
    return ApiError(
        429,
        "TooManyRequests",
        message,
        {**(details or {}), "retryAfterSeconds": retry_seconds},
        {"Retry-After": str(retry_seconds)},
    )
