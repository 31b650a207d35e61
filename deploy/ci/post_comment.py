"""Puts a comment on the pull or merge request that a runner works for, in place of the one of an earlier push.

    python deploy/ci/post_comment.py COMMENT.md

On GitHub with the runner's own token in GITHUB_TOKEN (permission `pull-requests: write`). On GitLab a job's own token may not write
comments: CHANGE_COMMENT_TOKEN holds that of a project access token with the scope `api`. Where there is no request, or no token that
may write, it says so and ends well: the comment is kept as an artifact in any case, and whether the change is good is said by another
exit code.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 30
PAGE = 100
MOST_PAGES = 20


@dataclass(frozen=True)
class Thread:
    """Where comments of a request stand.

    Attributes:
        comments: address of all of them.
        comment: address of one, with `{id}`.
        headers: who asks.
        change: the method that changes one.
    """

    comments: str
    comment: str
    headers: Mapping[str, str]
    change: str


def thread_of(environment: Mapping[str, str]) -> Thread | str:
    """The comments of the request that the runner works for, or why there are none."""
    if environment.get("GITLAB_CI"):
        number, token = environment.get("CI_MERGE_REQUEST_IID"), environment.get("CHANGE_COMMENT_TOKEN")
        if not number:
            return "no merge request: nothing to comment on"
        if not token:
            return "CHANGE_COMMENT_TOKEN is not set (a project access token with the scope `api`): the comment stays an artifact"
        project = f"{environment['CI_API_V4_URL']}/projects/{environment['CI_PROJECT_ID']}"
        notes = f"{project}/merge_requests/{number}/notes"
        return Thread(notes, f"{notes}/{{id}}", {"PRIVATE-TOKEN": token}, "PUT")
    if environment.get("GITHUB_ACTIONS"):
        event = json.loads(Path(environment["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
        number, token = (event.get("pull_request") or {}).get("number"), environment.get("GITHUB_TOKEN")
        if not number:
            return "no pull request: nothing to comment on"
        if not token:
            return "GITHUB_TOKEN is not given to this step: the comment stays an artifact"
        api = f"{environment.get('GITHUB_API_URL', 'https://api.github.com')}/repos/{environment['GITHUB_REPOSITORY']}/issues"
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
        return Thread(f"{api}/{number}/comments", f"{api}/comments/{{id}}", headers, "PATCH")
    return "neither GitHub Actions nor GitLab CI: nothing to comment on"


def put(text: str, thread: Thread) -> str:
    """Write the comment, over the one that begins with the same line where there is one; what was done, in words."""
    marker = text.partition("\n")[0]
    old = next((item["id"] for item in comments_of(thread) if item["body"].startswith(marker)), None)
    if old is None:
        ask(thread.comments, "POST", thread.headers, {"body": text})
        return "commented"
    ask(thread.comment.format(id=old), thread.change, thread.headers, {"body": text})
    return "comment brought up to date"


def comments_of(thread: Thread) -> Iterator[dict[str, Any]]:
    """Every comment of the request, page by page."""
    for page in range(1, MOST_PAGES + 1):
        found = ask(f"{thread.comments}?per_page={PAGE}&page={page}", "GET", thread.headers)
        yield from found
        if len(found) < PAGE:
            return


def ask(address: str, method: str, headers: Mapping[str, str], body: Any = None) -> Any:
    """Send a request, and return what is answered."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {**headers, "Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        return json.load(answer)


def main(file: str) -> int:
    """Put the comment, and say what was done."""
    text = Path(file).read_text(encoding="utf-8")
    thread = thread_of(os.environ)
    if isinstance(thread, str):
        sys.stdout.write(f"{thread}\n")
        return 0
    try:
        sys.stdout.write(f"{put(text, thread)}\n")
    except urllib.error.HTTPError as error:
        if error.code not in (401, 403, 404):
            raise
        sys.stdout.write(
            f"the token may not comment here (status {error.code}, as for a fork): the comment stays an artifact\n"
        )
    except OSError as error:
        host = thread.comments.split("/")[2]
        sys.stderr.write(f"the comment could not be put: {host} does not answer ({error})\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
