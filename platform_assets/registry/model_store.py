"""The registry of model versions and the ledger of their moves, as one environment sees them.

Belongs here: opening the two, and where searches and fits of models take place. Does not belong here: what registry and ledger do
(`base.py`, `ledger.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path

from platform_assets.declaration import UseCase
from platform_assets.lake.known_versions import known_uri
from platform_assets.lake.lake import Lake
from platform_assets.lake.layout import MODEL, table_uri
from platform_assets.registry.base import PRODUCTION, Environment, ModelRegistry
from platform_assets.registry.ledger import Ledger, ledger_table
from platform_assets.registry.registry import MODEL_REGISTRIES
from platform_assets.training.kept_folds import KeptFolds
from platform_assets.training.selection import IN_THIS_PROCESS, Placement
from platform_assets.training.tuning.trials import SearchBudget, SearchError, Spending


@dataclass(frozen=True)
class ModelStore:
    """The registry of model versions, and the ledger in the lake, of one environment.

    Attributes:
        tracking_uri: the registry's address; never shown, it may hold a password.
        lake: where ledgers are.
        environment: whose champion and challenger are meant.
        searches: folder that keeps finished trials of searches and folds of comparisons; None keeps nothing.
        placement: where models are searched and fitted.
        kind: name of the registry, one of `registry/registry.py`.
        keeps_holds: whether nothing is promoted after a rollback until a person lifts it.
        spending: begins to count the money that a search takes, by the prices of a cloud; None where no prices are known.
    """

    tracking_uri: str = field(repr=False)
    lake: Lake
    environment: Environment = PRODUCTION
    searches: Path | None = None
    placement: Placement = IN_THIS_PROCESS
    kind: str = "mlflow"
    keeps_holds: bool = False
    spending: Callable[[str], Spending] | None = field(default=None, repr=False, compare=False)

    def registry(self) -> ModelRegistry:
        """The registry of model versions."""
        return MODEL_REGISTRIES[self.kind](self.tracking_uri, self.environment)

    def search_budget(self, use_case: UseCase) -> SearchBudget | None:
        """Most money of each search of a use case; None where none is declared.

        Raises:
            SearchError: it cannot be held: no prices are known, or they are in another currency.
        """
        budget = use_case.budget
        if budget is None or budget.per_search is None:
            return None
        if self.spending is None:
            raise SearchError(f"{use_case.name}: `budget.per_search` is declared, and nobody knows prices here")
        begin = partial(self.spending, use_case.cloud)
        currency = begin().currency
        if currency != budget.currency:
            raise SearchError(
                f"{use_case.name}: `budget.per_search` is in {budget.currency}, and the price sheet in {currency}: declare "
                f"`budget.currency: {currency}` with amounts in it, or name a sheet in {budget.currency} (PLATFORM_ASSETS_PRICE_SHEET)"
            )
        return SearchBudget(budget.per_search, begin)

    def search_storage(self, use_case: str) -> str | None:
        """SQLAlchemy address of the file that keeps a use case's finished trials; None where nothing is kept."""
        if self.searches is None:
            return None
        self.searches.mkdir(parents=True, exist_ok=True)
        return f"sqlite:///{self.searches / use_case}.db"

    def kept_folds(self, use_case: str, as_of: date, code: str) -> KeptFolds | None:
        """What a training that was cut off has finished of its comparison; None where nothing is kept."""
        if self.searches is None:
            return None
        return KeptFolds(self.searches / "folds" / use_case / as_of.isoformat(), code)

    def ledger(self, use_case: str) -> Ledger:
        """The ledger of a use case's moves."""
        uri = table_uri(self.lake.root, use_case, MODEL, "ledger")
        known = known_uri(self.lake.root, use_case, MODEL, "ledger")
        copied_to = self.lake.copy_of(use_case, MODEL, "ledger")
        table = ledger_table(uri, self.lake.storage_options(), known, copied_to)
        return Ledger(table, self.environment, self.keeps_holds)
