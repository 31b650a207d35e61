"""Whether a deployed service answers rightly: one scored request by the way that every request takes, and what stands in its log.

Belongs here: asking, and saying what is wrong and what to do. Does not belong here: mending it (a target's work), or printing (`cli/`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from platform_assets.declaration import UseCase
from platform_assets.deployment.answers import reason_of
from platform_assets.deployment.own_requests import own_client
from platform_assets.deployment.release import TargetStatus
from platform_assets.deployment.serving_home import ServingHome
from platform_assets.features.online.feast_connection import FeastSettings, file_problem
from platform_assets.monitoring.prediction_log import newest_line

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECONDS = 20.0
SELF_TEST = "/self_test"
RUN = "`platform-assets run`"


@dataclass(frozen=True)
class ServiceCheck:
    """What asking a service showed.

    Attributes:
        use_case: whose service.
        deployed: whether there is one.
        answer: of the scored request; None where there was none.
        newest: the newest line of the prediction log: when, and its request; None while it has none.
        problems: what is wrong, each with what to do; empty where it answers rightly.
    """

    use_case: str
    deployed: bool
    answer: Mapping[str, Any] | None = None
    newest: Mapping[str, Any] | None = None
    problems: tuple[str, ...] = field(default=())

    @property
    def passed(self) -> bool:
        """Whether it answers rightly."""
        return self.deployed and not self.problems


class ServiceNotAnswering(RuntimeError):
    """A deployed service does not answer rightly; the message says what is wrong and what to do."""


def check_service(
    use_case: UseCase, serving: ServingHome, feast: FeastSettings | None = None, status: TargetStatus | None = None
) -> ServiceCheck:
    """Ask a use case's service for one score that leaves no trace, and look at its processes and its log.

    The event is the newest one of the log, so that its entities are known, or the declared example; it is scored as if it happened now.

    Args:
        use_case: whose service.
        serving: the target and the folders.
        feast: of the online store, whose file is looked at where it is one; None leaves that out.
        status: of the target; looked at now when left out.
    """
    status = serving.target().status() if status is None else status
    deployed = status.use_cases.get(use_case.name)
    if deployed is None or not any(deployed.weights.values()):
        return ServiceCheck(use_case.name, deployed=False, problems=(f"nothing is deployed; {RUN} deploys it",))
    problems = list(status.problems)
    newest = newest_line(serving.log_folder(use_case.name))
    file = None if feast is None else file_problem(feast)
    if file is not None:
        problems.append(f"{file}; remove it if it is there, and {RUN} fills it again")
    with own_client(deployed.address, status.own_socket, TIMEOUT_SECONDS) as client:
        answer = _score(use_case, client, f"{deployed.address}/self_test", newest, problems)
    for process in deployed.processes:
        if not process.ready:
            words = f"{process.program} is {process.state} and not ready: {process.reason}"
            problems.append(f"{words}; its log is logs/{process.program}.log of the target")
    return ServiceCheck(use_case.name, True, answer, newest, tuple(problems))


def require_answers(use_case: UseCase, serving: ServingHome, feast: FeastSettings | None = None) -> ServiceCheck:
    """As `check_service`.

    Raises:
        ServiceNotAnswering: it does not answer rightly.
    """
    check = check_service(use_case, serving, feast)
    if not check.passed:
        raise ServiceNotAnswering(explanation(check))
    return check


def explanation(check: ServiceCheck) -> str:
    """What is wrong with a service, for people."""
    return f"{check.use_case} does not answer rightly. " + ". ".join(check.problems)


def _score(
    use_case: UseCase, client: "httpx.Client", url: str, newest: Mapping[str, Any] | None, problems: list[str]
) -> dict[str, Any] | None:
    """The answer to one scored request, if there is one; what is wrong with it is added to the problems."""
    import httpx

    body = None if newest is None else {name: newest.get(name) for name in use_case.serving.request}
    try:
        example = {"content-type": "application/json"}
        answer = client.post(SELF_TEST, json=body) if body else client.post(SELF_TEST, headers=example)
        if answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY and body:  # of an older declaration
            answer = client.post(SELF_TEST, headers=example)
    except httpx.HTTPError as error:
        problems.append(f"{url} does not answer ({type(error).__name__}); {RUN} starts what is missing")
        return None
    if answer.status_code == httpx.codes.NOT_FOUND:
        problems.append(f"{url} is not known: the service is of an earlier version of the platform; deploy it again")
        return None
    if answer.status_code != httpx.codes.OK:
        problems.append(f"a scored request got {answer.status_code}: {reason_of(answer.text)}")
        return None
    values: dict[str, Any] = answer.json()
    if values.get("fallback") is not None:
        problems.append(f"requests are answered without the online store ({values['fallback']}); mend the store")
    return values


def line_in_words(line: Mapping[str, Any]) -> str:
    """A line of the prediction log for people: when it was scored, which request, and what the answer was."""
    decision = f", {line['decision']}" if line.get("decision") else ""
    return f"{line.get('scored_at')} request {line.get('request_id')}: {line.get('score')}{decision}"
