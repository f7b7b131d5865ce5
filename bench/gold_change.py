"""A thousandth of the rows behind a gold table changes: the days that it touches computed again, against a rebuild of karat's and of DuckDB's.

Usage: cargo xtask bench gold_change [--rows N]        (10,000,000 rows unless told)
"""

import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import time

KARAT = os.environ["KARAT"]
DAYS = 250
GOLD = "select day, desk, count(*) as entries, sum(amount) as balance, max(amount) as largest from {table} group by day, desk"

PROJECT = {
    "karat.yaml": """karat: 1
project: change
sources:
  landing: { type: files, path: ./landing }
""",
    "domains/bank/domain.yaml": """domain: bank
feeds:
  - { source: landing, name: entries, mode: incremental, path: "entries_*.csv", file_order: 'entries_(\\d+)' }
""",
    "domains/bank/silver/entries.yaml": """from: landing.entries
select:
  entry_id: cast(entry_id as bigint)
  day:      cast(day as date)
  desk:     desk
  amount:   cast(amount as decimal(18, 2))
auto_cdc: { keys: [entry_id] }
""",
    "domains/bank/gold/balances.sql": GOLD.format(table="bank_silver.entries"),
    "domains/bank/gold/balances.yaml": "key: [day, desk]\nincremental: { by: [day] }\n",
}


def run(project, *select):
    command = [KARAT, "run", "--json", "--quiet", *select]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True)
    return {step["table"]: step for step in json.loads(done.stdout)["steps"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    rows = parser.parse_args().rows
    import deltalake
    import duckdb

    with tempfile.TemporaryDirectory(prefix="karat-bench-") as name:
        project = pathlib.Path(name)
        for path, text in PROJECT.items():
            (project / path).parent.mkdir(parents=True, exist_ok=True)
            (project / path).write_text(text)
        landing = project / "landing"
        landing.mkdir()
        # Entries come day after day, as a ledger writes them.
        events = (
            "select {id} as entry_id, date '2026-01-01' + cast({id} * {days} // {rows} as integer) as day, 'desk ' || {id} % 40 as desk, "
            "cast({id} * 7919 % 1000000 as decimal(18,2)) / 100 + {more} as amount from range({n}) t(i)"
        )
        first = events.format(id="i", days=DAYS, rows=rows, more=0, n=rows)
        duckdb.sql(f"copy ({first}) to '{landing}/entries_01.csv' (header)")
        run(project)
        changed = rows // 1000
        second = events.format(id=f"({rows} - 1 - i)", days=DAYS, rows=rows, more="1.25", n=changed)
        duckdb.sql(f"copy ({second}) to '{landing}/entries_02.csv' (header)")
        run(project, "--select", "landing.entries", "--select", "bank_silver.entries")
        part = run(project)["bank_gold.balances"]
        print(f"{changed:,} of {rows:,} rows changed: {part['how']}")
        print(f"the part: {part['seconds']:.2f} s, {part['bytes_read'] / 1e6:.2f} MB read, {part['bytes_written'] / 1e6:.2f} MB written")

        yaml = project / "domains/bank/gold/balances.yaml"
        yaml.write_text("key: [day, desk]\ncluster_by: [desk, day]\n")
        whole = run(project)["bank_gold.balances"]
        print(f"a rebuild: {whole['seconds']:.2f} s, {whole['bytes_read'] / 1e6:.2f} MB read ({whole['how']})")

        files = [str(file) for file in deltalake.DeltaTable(str(project / "lake/bank/silver/entries")).file_uris()]
        began = time.perf_counter()
        connection = duckdb.connect()
        table = f"read_parquet({files})"
        connection.sql(f"copy ({GOLD.format(table=table)} order by day, desk) to '{project}/gold.parquet'")
        duck = time.perf_counter() - began
        print(f"DuckDB, all of it: {duck:.2f} s; the part takes {part['seconds'] / duck:.2f} of that, karat's rebuild {whole['seconds'] / duck:.2f}")
        print("same fingerprint" if whole["fingerprint"] == part["fingerprint"] else "FINGERPRINTS DIFFER")


if __name__ == "__main__":
    main()
