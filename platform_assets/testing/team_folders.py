"""Folders of files as teams have them: three worlds in the shape of public data sets, with the dirt that such files carry.

Belongs here: look-alikes of whole folders, for tests and benchmarks of the way from files to a verdict. Does not belong here: single tables
(`public_shapes.py`), data that anybody published, and what is proposed for a folder (`onboarding/`).

All rows are simulated: the shapes are those of subscriptions by month, of insurance claims and of a production line, the values are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

FIRST_MONTH = date(2024, 1, 1)
FIRST_CLAIM = date(2025, 1, 1)
FIRST_RUN = datetime(2025, 3, 3)


@dataclass(frozen=True)
class TeamFolder:
    """A folder as a team has it, and what the team knows and its files do not say.

    Attributes:
        name: of the use case.
        write: writes the files into a folder.
        answers: what a person answers otherwise than by Enter, by question.
        label: the declared name of the label that should come out.
        leaks: declared names of columns that nobody knows at the event.
        dirt: what is wrong with the files, in words.
    """

    name: str
    write: Callable[[Path], None]
    answers: Mapping[str, str] = field(default_factory=dict)
    label: str = ""
    leaks: tuple[str, ...] = ()
    dirt: str = ""


def subscribers(folder: Path, customers: int = 900, months: int = 20) -> None:
    """A row for each customer and month in a file for each year; who has left has no further rows.

    Dirt: the years differ in the order of their columns, rows of December are delivered again in January's file, a blank stands for the
    first total, and the reason for leaving gives the label away.
    """
    random = np.random.default_rng(11)
    rows: list[dict[str, object]] = []
    contracts = random.choice(["Month-to-month", "One year", "Two year"], customers, p=[0.55, 0.25, 0.2])
    charges = np.round(random.uniform(20, 110, customers), 2)
    joined = random.integers(0, months - 6, customers)
    for customer in range(customers):
        for month in range(int(joined[customer]), months):
            tenure = month - int(joined[customer])
            calls = int(random.poisson(0.6 + 1.2 * (contracts[customer] == "Month-to-month")))
            risk = -4.6 + 1.5 * (contracts[customer] == "Month-to-month") + 0.45 * calls + charges[customer] / 90
            left = random.random() < 1 / (1 + np.exp(-risk))
            total = " " if tenure == 0 else f"{charges[customer] * tenure:.2f}"
            rows.append(
                {
                    "customerID": f"{7590 + customer}-{'VHGTK'[customer % 5]}{'QXNLD'[customer % 7 % 5]}",
                    "Month": str(_month(month)),
                    "Contract": str(contracts[customer]),
                    "tenure": tenure,
                    "MonthlyCharges": float(charges[customer]),
                    "TotalCharges": total,
                    "SupportCalls": calls,
                    "PaymentMethod": ["Electronic check", "Mailed check", "Credit card"][customer % 3],
                    "ChurnReason": ["Price", "Moved", "Competitor"][customer % 3] if left else None,
                    "Churn": "Yes" if left else "No",
                }
            )
            if left:
                break
    frame = pl.DataFrame(rows).sort("Month", "customerID")
    second = frame.filter(pl.col("Month") >= "2025")
    again = frame.filter(pl.col("Month") == "2024-12-01").head(9)
    frame.filter(pl.col("Month") < "2025").write_csv(folder / "months_2024.csv")
    order = ["Month", "customerID", *frame.columns[2:]]
    pl.concat([again, second]).select(order).write_csv(folder / "months_2025.csv")


def claims(folder: Path, count: int = 6000, days: int = 150) -> None:
    """Insurance claims in a German export: semicolons, decimal commas, days before months, in the encoding of its spreadsheets.

    Dirt: Windows' encoding, postal codes with zeros in front, empty cells for deductibles, an amount that was paid once the outcome was
    known, two lines of a claim that was exported twice.
    """
    random = np.random.default_rng(12)
    when = [FIRST_CLAIM + timedelta(days=int(days * i / count)) for i in range(count)]
    amount = np.round(random.lognormal(7.2, 0.9, count), 2)
    late = random.poisson(4, count)
    repeat = random.poisson(0.4, count)
    fraud = random.random(count) < 1 / (1 + np.exp(5.0 - 0.00035 * amount - 0.22 * late - 0.8 * repeat))
    lines = [
        "Schadennummer;Schadendatum;Kundennummer;PLZ;Sparte;Schadenhöhe (EUR);Selbstbehalt;Tage bis Meldung;Vorschäden;Auszahlung;Betrug"
    ]
    for i in range(count):
        paid = 0.0 if fraud[i] else amount[i]
        lines.append(
            f"SN{100000 + i};{when[i]:%d.%m.%Y};{4000 + int(random.integers(0, 1500))};{int(random.integers(1000, 99999)):05d};"
            f"{['Kfz', 'Hausrat', 'Gebäude'][i % 3]};{_german(amount[i])};{'' if i % 11 == 0 else _german(150.0 + 50 * (i % 4))};"
            f"{late[i]};{repeat[i]};{_german(paid)};{'ja' if fraud[i] else 'nein'}"
        )
    lines += lines[-2:]
    (folder / "Schaeden.csv").write_bytes(("\r\n".join(lines) + "\r\n").encode("cp1252"))


def production(folder: Path, runs_a_day: int = 120, days: int = 90) -> None:
    """Runs of machines in a Parquet file a month, and the runs that failed in a CSV file, reported up to five days later.

    Dirt: only failures are listed, some of runs that nobody delivered, one twice; sensors that were off.
    """
    random = np.random.default_rng(13)
    count = runs_a_day * days
    at = [FIRST_RUN + timedelta(minutes=int(24 * 60 / runs_a_day * i)) for i in range(count)]
    wear = random.integers(0, 250, count)
    torque = np.round(random.normal(40, 10, count), 1)
    air = np.round(300 + random.normal(0, 2, count), 1)
    failed = random.random(count) < 1 / (1 + np.exp(9.5 - 0.02 * wear - 0.08 * torque))
    frame = pl.DataFrame(
        {
            "run_id": [f"R{500000 + i}" for i in range(count)],
            "machine_id": random.integers(1, 61, count),
            "started_at": at,
            "product": random.choice(["L", "M", "H"], count),
            "air_temperature": np.where(random.random(count) < 0.01, np.nan, air),
            "rotational_speed": random.integers(1200, 2800, count),
            "torque": torque,
            "tool_wear": wear,
        }
    )
    (folder / "runs").mkdir()
    for (month,), part in frame.group_by(pl.col("started_at").dt.strftime("%Y-%m"), maintain_order=True):
        part.write_parquet(folder / "runs" / f"{month}.parquet")
    reported = [(i, at[i] + timedelta(hours=float(random.uniform(4, 118)))) for i in np.flatnonzero(failed)]
    lines = ["run_id,reported_at,failure_mode"]
    lines += [f"R{500000 + i},{when:%Y-%m-%d %H:%M:%S},{['wear', 'heat', 'overstrain'][i % 3]}" for i, when in reported]
    lines += [lines[5], "R999998,2025-04-01 10:00:00,wear", "R999999,2025-04-02 11:30:00,heat"]
    (folder / "failures.csv").write_text("\n".join(lines) + "\n")


def _month(number: int) -> date:
    return date(FIRST_MONTH.year + number // 12, 1 + number % 12, 1)


def _german(value: float) -> str:
    """A number as a German spreadsheet writes it: 1.234,56."""
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))


TEAM_FOLDERS = (
    TeamFolder(
        "churn",
        subscribers,
        {"known_after_days": "31"},
        "churn",
        ("churn_reason",),
        "columns in another order each year, rows delivered twice, a blank among numbers, a reason that gives the label away",
    ),
    TeamFolder(
        "claims",
        claims,
        {"label": "Betrug", "known_after_days": "14", "missed": "2500", "false_alarm": "60"},
        "betrug",
        ("auszahlung",),
        "Windows' encoding, semicolons, decimal commas, days before months, a claim exported twice, a payment that knows the label",
    ),
    TeamFolder(
        "breakdowns",
        production,
        {"missed": "900", "false_alarm": "40"},
        "has_failures",
        ("failure_mode",),
        "failures alone are listed, in another file and format, reported days later, one twice, two of runs that nobody delivered",
    ),
)
