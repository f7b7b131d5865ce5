"""CSV to bronze, silver and gold: karat against a DuckDB script and a Polars script that make the same tables.

Usage: cargo xtask bench csv_to_gold [--rows N]        (10,000,000 rows unless told)

All three read the same ten CSV files, keep the raw text (bronze), cast it (silver), aggregate it exactly (gold), and write Parquet
with zstd. karat also sorts silver by its key, hashes and fingerprints every file, and writes receipts. Gold is compared cell by cell.
"""

import argparse
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

ROWS = 10_000_000
FILES = 10
KARAT = os.environ["KARAT"]

PROJECT = {
    "karat.yaml": """karat: 1
project: bench
targets:
  dev: { lake: ./lake, default: true }
sources:
  landing: { type: files, path: ./landing }
""",
    "domains/ledger/domain.yaml": """domain: ledger
owner: bench
feeds:
  - { source: landing, name: entries, mode: incremental, path: "entries_*.csv", file_order: 'entries_(\\d+)' }
""",
    "domains/ledger/silver/entries.yaml": """from: landing.entries
key: [entry_id]
select:
  entry_id: cast(entry_id as bigint)
  account:  account
  currency: currency
  booked:   cast(booked as date)
  amount:   cast(amount as decimal(18, 2))
  note:     note
expectations:
  has_amount: { expect: "amount is not null", action: quarantine }
""",
    "domains/ledger/gold/totals.sql": """select account, currency, count(*) as entries, sum(amount) as total, avg(amount) as mean, min(booked) as first_day
from ledger_silver.entries
group by account, currency
""",
    "domains/ledger/gold/totals.yaml": "key: [account, currency]\n",
}

DUCKDB = """
import duckdb, sys
csv, out = sys.argv[1:3]
db = duckdb.connect()
db.execute("set threads=2")
db.execute(f"copy (select * from read_csv('{csv}/entries_*.csv', all_varchar=true)) to '{out}/bronze.parquet' (compression zstd)")
db.execute(f'''copy (select cast(entry_id as bigint) entry_id, account, currency, cast(booked as date) booked,
    cast(amount as decimal(18,2)) amount, note from '{out}/bronze.parquet' where amount is not null) to '{out}/silver.parquet' (compression zstd)''')
db.execute(f'''copy (select account, currency, count(*) entries, sum(amount) total, min(booked) first_day
    from '{out}/silver.parquet' group by all order by account, currency) to '{out}/gold.parquet' (compression zstd)''')
"""

POLARS = """
import polars as pl, sys
csv, out = sys.argv[1:3]
pl.scan_csv(f"{csv}/entries_*.csv", infer_schema=False).sink_parquet(f"{out}/bronze.parquet", compression="zstd")
pl.scan_parquet(f"{out}/bronze.parquet").select(
    pl.col("entry_id").cast(pl.Int64), "account", "currency", pl.col("booked").str.to_date("%Y-%m-%d"),
    pl.col("amount").str.to_decimal(scale=2).cast(pl.Decimal(18, 2)), "note",
).filter(pl.col("amount").is_not_null()).sink_parquet(f"{out}/silver.parquet", compression="zstd")
pl.scan_parquet(f"{out}/silver.parquet").group_by("account", "currency").agg(
    pl.len().alias("entries"), pl.col("amount").sum().alias("total"), pl.col("booked").min().alias("first_day"),
).sort("account", "currency").sink_parquet(f"{out}/gold.parquet", compression="zstd")
"""


def write_csv(folder, rows):
    """Entries in a scrambled order of keys, the same for everybody on every machine."""
    import duckdb

    folder.mkdir(parents=True)
    db = duckdb.connect()
    db.execute("set threads=2")
    share = rows // FILES
    for number in range(FILES):
        db.execute(
            f"""copy (select (i * 7919) % {rows} as entry_id,
                'AC' || lpad(cast((i * 104729) % 5000 as varchar), 6, '0') as account,
                ['EUR', 'USD', 'CHF', 'GBP'][1 + i % 4] as currency,
                date '2026-01-01' + cast(i % 300 as integer) as booked,
                cast(((i * 48271) % 20000001 - 10000000) as decimal(18, 2)) / 100 as amount,
                'payment ' || (i * 31337) % 100000 as note
            from (select unnest(range({number * share}, {(number + 1) * share})) as i))
            to '{folder}/entries_{number:02}.csv' (header)"""
        )


def timed(name, command, cwd=None):
    """Seconds and peak memory of a command, measured from outside."""
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = process.communicate()
    seconds = time.monotonic() - started
    if process.returncode != 0:
        sys.exit(f"{name} failed ({process.returncode}): {err[-2000:]}")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return seconds, peak, out


def measured(name, command, cwd=None):
    """The same, in a child of its own, so that the peak is this command's."""
    code = (
        "import json,sys,runpy;sys.argv=['x'];m=runpy.run_path(%r);"
        "s,p,o=m['timed'](%r,%r,%r);print(json.dumps([s,p]))" % (__file__, name, command, cwd)
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(result.stderr)
    seconds, peak = json.loads(result.stdout.splitlines()[-1])
    print(f"{name:8} {seconds:7.1f} s   peak {peak / 1024:7.0f} MB", flush=True)
    return seconds, peak


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    rows = parser.parse_args().rows
    import duckdb

    with tempfile.TemporaryDirectory(prefix="karat-bench-") as name:
        folder = pathlib.Path(name)
        project = folder / "project"
        for path, text in PROJECT.items():
            (project / path).parent.mkdir(parents=True, exist_ok=True)
            (project / path).write_text(text)
        landing = project / "landing"
        write_csv(landing, rows)
        size = sum(file.stat().st_size for file in landing.iterdir())
        print(f"{rows:,} rows, {size / 1e6:.0f} MB of CSV in {FILES} files")

        karat = measured("karat", [KARAT, "run", "--json", "--quiet"], str(project))
        figures = {"karat": karat}
        for engine, script in (("duckdb", DUCKDB), ("polars", POLARS)):
            out = folder / engine
            out.mkdir()
            figures[engine] = measured(engine, [sys.executable, "-c", script, str(landing), str(out)])
        fastest = min(("duckdb", "polars"), key=lambda engine: figures[engine][0])
        print(f"karat takes {karat[0] / figures[fastest][0]:.2f} times as long as {fastest}, the faster of the two")

        answer = subprocess.run(
            [KARAT, "query", "--format", "csv", "select account, currency, entries, total, first_day from ledger_gold.totals"],
            cwd=project, capture_output=True, text=True, check=True,
        ).stdout.splitlines()[1:]
        for engine in ("duckdb", "polars"):
            gold = duckdb.sql(
                f"select account, currency, entries, cast(total as decimal(38,2)), first_day from '{folder}/{engine}/gold.parquet' order by all"
            ).fetchall()
            same = [",".join(str(cell) for cell in row) for row in gold] == answer
            print(f"gold of {engine}: {'equal in every cell' if same else 'DIFFERS'}")
            if not same:
                sys.exit(1)

        started = time.monotonic()
        subprocess.run([KARAT, "run", "--json", "--quiet"], cwd=project, check=True, stdout=subprocess.DEVNULL)
        print(f"run again, nothing to do: {time.monotonic() - started:.2f} s")
        shutil.rmtree(project / "lake")


if __name__ == "__main__":
    main()
