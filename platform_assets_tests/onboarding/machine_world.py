"""Two use cases as a team would hand them over: a `defs.yaml` and CSV files, and not a line of Python.

Belongs here: writing the folders that a team would write. Does not belong here: running them (`conftest.py`).
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

FIRST_DAY = date(2025, 3, 3)
DAYS = 37
ROWS_PER_DAY = 70
RUNS_PER_DAY = 40
MACHINES = 200
PRODUCTS = ("light", "medium", "heavy")

MACHINE_FAILURE = """\
type: platform_assets.MlUseCase

attributes:
  name: machine_failure
  description: Probability that a machine fails within two days of an inspection, so that it is serviced before it stops.
  owner: team:maintenance
  history: {first_day: 2025-03-03, last_day: 2025-04-08}

  sources:
    - name: sites
      description: Factory halls, one row each.
      connector: {kind: files, format: csv, path: data/sites.csv}
      primary_key: [site]
      columns:
        - {name: site, type: string, description: Hall, unique: true}
        - {name: city, type: string, description: Where it stands}

    - name: inspections
      description: Readings of one inspection of a machine.
      connector: {kind: files, format: csv, path: "data/inspections/{event_day}.csv"}
      primary_key: [inspection]
      event_time: inspected_at
      quality: {max_refused_ratio: 0.06}
      columns:
        - {name: inspection, type: string, description: Inspection, unique: true}
        - {name: inspected_at, type: datetime, description: Time of the inspection}
        - {name: machine, type: string, description: Machine}
        - {name: site, type: string, description: Hall, references: sites.site}
        - {name: product, type: string, description: What it was making, allowed: [light, medium, heavy]}
        - {name: temperature, type: float64, description: Degrees Celsius, minimum: -20, maximum: 300}
        - {name: torque, type: float64, description: Newton metres, minimum: 0, nullable: true}

    - name: outcomes
      description: Whether the machine failed within two days of the inspection.
      connector: {kind: files, format: csv, path: data/outcomes.csv}
      primary_key: [inspection]
      event_time: inspected_at
      arrival_delay_days: 2
      columns:
        - {name: inspection, type: string, description: Inspection, unique: true}
        - {name: inspected_at, type: datetime, description: Time of the inspection}
        - {name: failed, type: int8, description: 1 when it failed, allowed: [0, 1]}

  events: inspections
  label: {source: outcomes, column: failed}

  entities:
    - {name: machine, key: machine, description: The machine}

  features:
    - name: readings
      description: The inspection itself.
      rows:
        - {name: temperature, expression: temperature, description: Degrees Celsius}
        - {name: torque, expression: torque, description: Newton metres}
        - {name: makes_heavy, expression: CASE WHEN product = 'heavy' THEN 1 ELSE 0 END, description: 1 for heavy products}
    - name: machine_condition
      description: How the machine has been doing.
      entity: machine
      windows:
        - {name: machine_inspections, aggregate: count, lengths_days: [1, 3], description: Inspections of the machine}
        - {name: machine_max_temperature, aggregate: max, column: temperature, lengths_days: [3], description: Hottest}
        - name: machine_failure_ratio
          aggregate: mean
          column: failed
          lengths_days: [3]
          delay_days: 2
          when_empty: 0
          description: Share of inspections that a failure followed
      rows:
        - name: heat_above_usual
          expression: temperature - machine_max_temperature_3d
          description: Degrees below the machine's hottest of three days

  training:
    task: binary
    group: machine
    learners:
      - {name: constant, kind: constant, baseline: true}
      - {name: logistic_regression, kind: logistic_regression}
      - {name: random_forest, kind: random_forest, settings: {n_estimators: 20}}
    splits: {train_days: 7, delay_days: 2, test_days: 7, folds: 2}
    metrics: [auc_roc, average_precision, brier]
    select_by: average_precision

  gates:
    min_training_rows: 300
    min_positives: 20
    floors:
      - {metric: auc_roc, bound: 0.7}

  serving:
    request: [inspection, inspected_at, machine, site, product, temperature, torque]
    decision: {threshold: 0.5, above: service, below: carry_on}
    unknown: decide

  monitoring:
    window_days: 7
    min_rows: 150
    quality_metric: auc_roc
"""

ENERGY_USE = """\
type: platform_assets.MlUseCase

attributes:
  name: energy_use
  description: Kilowatt hours that a production run will take, to buy them a day ahead.
  owner: energy@plant.example
  history: {first_day: 2025-03-03, last_day: 2025-03-31}

  sources:
    - name: runs
      description: One production run with what it took.
      connector: {kind: files, format: csv, path: data/runs.csv}
      primary_key: [run]
      event_time: started_at
      columns:
        - {name: run, type: int64, description: Production run, unique: true}
        - {name: started_at, type: datetime, description: Start of the run}
        - {name: pieces, type: int64, description: Pieces to make, minimum: 1}
        - {name: outside, type: float64, description: Temperature outside in degrees Celsius}
        - {name: kwh, type: float64, description: Energy taken in kilowatt hours, minimum: 0}

  events: runs
  label: {source: runs, column: kwh}

  features:
    - name: run_plan
      description: What is known before the run.
      rows:
        - {name: pieces, expression: pieces, description: Pieces to make}
        - {name: outside, expression: outside, description: Temperature outside}
        - {name: hour, expression: EXTRACT(HOUR FROM started_at), description: Hour of the start}

  training:
    task: regression
    learners:
      - {name: constant, kind: constant, baseline: true}
      - {name: ridge, kind: ridge}
      - {name: xgboost, kind: xgboost, settings: {n_estimators: 30}}
    splits: {train_days: 7, delay_days: 0, test_days: 7, folds: 2}
    metrics: [rmse, mae, r2]
    select_by: rmse

  gates:
    min_training_rows: 200
    floors:
      - {metric: r2, bound: 0.5}
      - {metric: rmse, bound: 60}

  serving:
    request: [run, started_at, pieces, outside]
    unknown: decide

  monitoring:
    window_days: 7
    min_rows: 80
    quality_metric: rmse
"""


@dataclass(frozen=True)
class PlantedCell:
    """A cell that is wrong on purpose, and where it must be found."""

    day: date
    column: str
    text: str
    rule: str
    line: int

    @property
    def position(self) -> str:
        return f"{self.day}.csv:{self.line}"


PLANTED = (
    PlantedCell(date(2025, 3, 6), "temperature", "warm", "type", 2),
    PlantedCell(date(2025, 3, 6), "product", "huge", "allowed", 11),
    PlantedCell(date(2025, 3, 7), "torque", "-5.0", "minimum", 40),
    PlantedCell(date(2025, 3, 7), "temperature", "", "not_null", 41),
    PlantedCell(date(2025, 3, 9), "site", "moon", "reference", 3),
)


def write_machine_failure(folder: Path) -> None:
    """The folder of `machine_failure`: one file of inspections a day, one of outcomes, one of sites."""
    random = np.random.default_rng(11)
    data = folder / "data"
    (data / "inspections").mkdir(parents=True)
    (folder / "defs.yaml").write_text(MACHINE_FAILURE)
    _write(data / "sites.csv", [{"site": "north", "city": "Oslo"}, {"site": "south", "city": "Rome"}])
    outcomes = []
    for day in (FIRST_DAY + timedelta(days=i) for i in range(DAYS)):
        rows = [_inspection(random, day, i) for i in range(ROWS_PER_DAY)]
        outcomes += [
            {name: row[name] for name in ("inspection", "inspected_at")} | {"failed": row.pop("failed")} for row in rows
        ]
        for cell in (cell for cell in PLANTED if cell.day == day):
            rows[cell.line - 2][cell.column] = cell.text
        _write(data / "inspections" / f"{day}.csv", rows)
    _write(data / "outcomes.csv", outcomes)


def _inspection(random: np.random.Generator, day: date, number: int) -> dict[str, Any]:
    machine = int(random.integers(MACHINES))
    product = int(random.integers(len(PRODUCTS)))
    temperature = round(float(random.normal(70 + 3 * (machine % 4), 12)), 1)
    torque = round(float(random.gamma(9, 5)), 2)
    pressure = (temperature - 80) / 6 + (torque - 45) / 15 + 1.5 * (product == 2) - 1.0
    return {
        "inspection": f"{day:%m%d}-{number:03d}",
        "inspected_at": _moment(random, day, number, ROWS_PER_DAY),
        "machine": f"M{machine:02d}",
        "site": ("north", "south")[machine % 2],
        "product": PRODUCTS[product],
        "temperature": temperature,
        "torque": torque if random.random() > 0.03 else "",
        "failed": int(random.random() < 1 / (1 + np.exp(-pressure))),
    }


def write_energy_use(folder: Path) -> None:
    """The folder of `energy_use`: one file that has everything, the label too."""
    random = np.random.default_rng(12)
    (folder / "data").mkdir(parents=True)
    (folder / "defs.yaml").write_text(ENERGY_USE)
    rows = []
    for day in (FIRST_DAY + timedelta(days=i) for i in range(DAYS - 1)):
        for number in range(RUNS_PER_DAY):
            pieces, outside = int(random.integers(1, 200)), round(float(random.normal(8, 5)), 1)
            kwh = 40 + 1.5 * pieces + 4 * max(0.0, 15 - outside) + float(random.normal(0, 15))
            time = _moment(random, day, number, RUNS_PER_DAY)
            rows.append(
                {
                    "run": len(rows),
                    "started_at": time,
                    "pieces": pieces,
                    "outside": outside,
                    "kwh": round(max(kwh, 0), 2),
                }
            )
    _write(folder / "data" / "runs.csv", rows)


def _moment(random: np.random.Generator, day: date, number: int, of: int) -> str:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return (start + timedelta(seconds=int((number + random.random()) * 86_400 / of))).isoformat()


def _write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    rows = list(rows)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
