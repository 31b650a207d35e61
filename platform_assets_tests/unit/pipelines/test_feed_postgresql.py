"""A PostgreSQL table that triggers record: first load, ten thousand mixed changes, the connection cut twice."""

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from platform_assets.connectors.sql import changes as sql_changes
from platform_assets.testing.servers import PostgreSQL, postgresql
from platform_assets_tests.unit.pipelines.shops import Shop

COLUMNS = "transaction_id, transaction_time, customer_id, terminal_id, amount"
CHANGES = {
    "kind": "sql",
    "url": "SHOP_DATABASE",
    "table": "transaction_changes",
    "cursor": "change",
    "operation": "what",
}
SET_UP = f"""
CREATE TABLE transactions (transaction_id BIGSERIAL PRIMARY KEY, transaction_time TIMESTAMPTZ NOT NULL, customer_id BIGINT,
  terminal_id BIGINT, amount FLOAT NOT NULL);
INSERT INTO transactions (transaction_time, customer_id, terminal_id, amount)
  SELECT '2018-04-01Z'::timestamptz + (i % 6) * interval '1 day' + i * interval '10 seconds', 1, 1, i FROM generate_series(1, 3000) i;
CREATE TABLE transaction_changes (change BIGSERIAL PRIMARY KEY, what TEXT NOT NULL, transaction_id BIGINT NOT NULL,
  transaction_time TIMESTAMPTZ, customer_id BIGINT, terminal_id BIGINT, amount FLOAT);
INSERT INTO transaction_changes (what, {COLUMNS}) SELECT 'read', {COLUMNS} FROM transactions ORDER BY 2;
CREATE FUNCTION record() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF TG_OP = 'DELETE' THEN
    INSERT INTO transaction_changes (what, transaction_id) VALUES ('delete', OLD.transaction_id);
  ELSE
    INSERT INTO transaction_changes (what, {COLUMNS}) SELECT lower(TG_OP), NEW.*;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER record AFTER INSERT OR UPDATE OR DELETE ON transactions FOR EACH ROW EXECUTE FUNCTION record();
"""
MIX = """
DO $$ DECLARE made INTEGER := 0; kind FLOAT; found INTEGER; chosen BIGINT; BEGIN
  PERFORM setseed({seed});
  WHILE made < 2500 LOOP
    kind := random();
    chosen := 1 + floor(random() * 4000);
    IF kind < 0.25 THEN
      INSERT INTO transactions (transaction_time, customer_id, terminal_id, amount)
        VALUES ('2018-04-01Z'::timestamptz + random() * interval '6 days', 1, 1, 1);
    ELSIF kind < 0.5 THEN
      UPDATE transactions SET amount = amount + 1 WHERE transaction_id = chosen;
    ELSIF kind < 0.8 THEN
      UPDATE transactions SET transaction_time = '2018-04-01Z'::timestamptz + random() * interval '6 days'
        WHERE transaction_id = chosen;
    ELSE
      DELETE FROM transactions WHERE transaction_id = chosen;
    END IF;
    GET DIAGNOSTICS found = ROW_COUNT;
    made := made + found;
  END LOOP;
END $$;
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with postgresql() as server:
        yield server


def at_source(server: PostgreSQL) -> dict[int, tuple[date, float]]:
    query = "SET timezone = 'UTC'; SELECT transaction_id, transaction_time::date, amount FROM transactions;"
    rows = server.execute(query)
    return {int(key): (datetime.strptime(day, "%Y-%m-%d").date(), float(amount)) for key, day, amount in rows}


def test_ten_thousand_mixed_changes_with_the_connection_cut_twice(
    server: PostgreSQL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_DATABASE", server.url)
    server.execute(SET_UP)
    reads: list[int] = []
    honest = sql_changes.fetch

    def cut_twice(connection: Any, query: Any) -> Any:
        reads.append(1)
        if len(reads) in (2, 6):
            server.cut()
        return honest(connection, query)

    monkeypatch.setattr(sql_changes, "fetch", cut_twice)
    failed = 0
    with dg.DagsterInstance.ephemeral() as instance:
        shop = Shop(tmp_path, instance, connector=CHANGES)
        touched: set[str] = set()
        for step in range(5):
            if step:
                server.execute(MIX.format(seed=step / 10))
            while True:
                try:
                    touched |= set(shop.feed(max_rows=1500)["touched_days"])
                    break
                except AssertionError:
                    failed += 1
                    assert failed <= 2, "a feed failed without its connection being cut"
        assert len(reads) > 8
        assert int(server.execute("SELECT count(*) FROM transaction_changes;")[0][0]) >= 13_000
        shop.clean(*map(date.fromisoformat, sorted(touched)))
        assert shop.published() == at_source(server)
