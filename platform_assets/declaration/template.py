"""The `defs.yaml` that a new use case starts from.

Belongs here: one complete, valid declaration with every guess marked. Does not belong here: looking at data.
"""

TEMPLATE = """\
# A new use case. It loads as it is; every line marked GUESS is yours to decide.
# Then: `dg check defs`, and materialize the assets in `dagster dev`.
type: platform_assets.MlUseCase

attributes:
  name: {name}
  description: What is predicted, for whom, and what it is used for.  # GUESS
  owner: team:{name}  # GUESS: `team:name` or an e-mail address
  history: {{first_day: 2026-01-01, last_day: 2026-03-31}}  # GUESS: leave last_day out while data keeps arriving

  sources:
    - name: events
      description: What one row is.  # GUESS
      connector: {{kind: files, format: csv, path: "data/events-{{event_day}}.csv"}}  # GUESS: relative to this folder
      primary_key: [event_id]
      event_time: event_time
      columns:
        - {{name: event_id, type: int64, description: Event, unique: true}}
        - {{name: event_time, type: datetime, description: Time of the event (UTC)}}
        - {{name: user_id, type: int64, description: Who caused it}}
        - {{name: value, type: float64, description: What was measured, minimum: 0}}  # GUESS: limits

    - name: outcomes
      description: What became of each event.
      connector: {{kind: files, format: csv, path: "data/outcomes-{{event_day}}.csv"}}  # GUESS
      primary_key: [event_id]
      event_time: event_time
      arrival_delay_days: 3  # GUESS: when outcomes are known
      columns:
        - {{name: event_id, type: int64, description: Event, unique: true}}
        - {{name: event_time, type: datetime, description: Time of the event (UTC)}}
        - {{name: outcome, type: int8, description: "1 when it happened", allowed: [0, 1]}}

  events: events
  label: {{source: outcomes, column: outcome}}

  entities:
    - {{name: user, key: user_id, description: Who caused the event}}

  features:
    - name: context
      description: The event itself.
      rows:
        - {{name: value, expression: value, description: What was measured}}
    - name: user_activity
      description: What the user has been doing.
      entity: user
      windows:
        - {{name: user_count, aggregate: count, lengths_days: [1, 7], description: Number of the user's events}}
        - {{name: user_mean_value, aggregate: mean, column: value, lengths_days: [1, 7], description: Mean value}}

  training:
    task: binary
    learners:
      - {{name: constant, kind: constant, baseline: true}}
      - {{name: logistic_regression, kind: logistic_regression}}
      - {{name: xgboost, kind: xgboost}}
    splits: {{train_days: 14, delay_days: 3, test_days: 7, folds: 2}}
    metrics: [auc_roc, average_precision, brier]
    select_by: average_precision

  serving:
    request: [event_id, event_time, user_id, value]
    decision: {{threshold: 0.5, above: act, below: pass}}  # GUESS
    unknown: review  # GUESS: what a request of somebody unknown gets: refuse, review or decide

  monitoring:
    quality_metric: average_precision
"""


def use_case_template(name: str) -> str:
    """The text of `defs.yaml` for a use case of that name."""
    return TEMPLATE.format(name=name)
