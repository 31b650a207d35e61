"""What `platform-assets run` says when a step fails."""

import dagster as dg

from platform_assets.orchestration.operations_facts import first_sentence


def told_of(failure: Exception) -> str:
    @dg.asset
    def fails() -> None:
        raise failure

    with dg.DagsterInstance.ephemeral() as instance:
        quiet = {"console": {"config": {"log_level": "CRITICAL"}}}
        result = dg.materialize([fails], instance=instance, raise_on_error=False, run_config={"loggers": quiet})
    failed = next(event for event in result.all_events if event.event_type_value == "STEP_FAILURE")
    return first_sentence(failed.step_failure_data.error_display_string.strip().splitlines())


def test_the_reason_of_an_asset_s_own_failure_is_told_with_what_follows_from_it() -> None:
    told = told_of(
        dg.Failure("the service did not become ready within 60 s. Last lines:\n  a log line\nNothing changed.")
    )
    assert told == "the service did not become ready within 60 s. Last lines: Nothing changed."


def test_the_message_of_another_error_is_told_without_dagster_s_own_words() -> None:
    assert told_of(ValueError("the file has no rows")) == "ValueError: the file has no rows"
