"""A thousand new rows on a large AUTO CDC table: bytes read and written against a rebuild, as the receipts count them.

Usage: cargo xtask bench small_change [--rows N]        (10,000,000 rows unless told)
"""

import argparse
import json
import os
import pathlib
import subprocess
import tempfile

KARAT = os.environ["KARAT"]

PROJECT = {
    "karat.yaml": """karat: 1
project: change
targets:
  dev: { lake: ./lake, default: true }
sources:
  landing: { type: files, path: ./landing }
""",
    "domains/shop/domain.yaml": """domain: shop
owner: bench
feeds:
  - { source: landing, name: events, mode: incremental, path: "events_*.csv", file_order: 'events_(\\d+)' }
""",
    "domains/shop/silver/orders.yaml": """from: landing.events
select:
  order_id: cast(order_id as bigint)
  state:    state
  amount:   cast(amount as decimal(18, 2))
  changed:  cast(changed as timestamp)
auto_cdc: { keys: [order_id], sequence_by: changed, stored_as_scd_type: 1 }
""",
}


def step(report):
    return next(step for step in report["steps"] if step["kind"] == "silver")


def run(project):
    done = subprocess.run([KARAT, "run", "--json", "--quiet"], cwd=project, capture_output=True, text=True, check=True)
    return step(json.loads(done.stdout))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    rows = parser.parse_args().rows
    import duckdb

    with tempfile.TemporaryDirectory(prefix="karat-bench-") as name:
        project = pathlib.Path(name)
        for path, text in PROJECT.items():
            (project / path).parent.mkdir(parents=True, exist_ok=True)
            (project / path).write_text(text)
        landing = project / "landing"
        landing.mkdir()
        events = "select {id} as order_id, 'S' || i % 7 as state, cast(i % 1000000 as decimal(18,2)) / 100 as amount, {at} as changed from range({n}) t(i)"
        first = events.format(id=f"(i * 7919) % {rows}", at="timestamp '2026-01-01' + i * interval 1 millisecond", n=rows)
        duckdb.sql(f"copy ({first}) to '{landing}/events_01.csv' (header)")
        before = run(project)
        # New orders and changes of the newest ones, as a shop sees them.
        second = events.format(id=f"{rows} - 500 + i", at="timestamp '2026-06-01' + i * interval 1 second", n=1000)
        duckdb.sql(f"copy ({second}) to '{landing}/events_02.csv' (header)")
        after = run(project)

        rebuilt = project / "rebuilt"
        rebuilt.mkdir()
        subprocess.run(["cp", "-r", "karat.yaml", "domains", "landing", str(rebuilt)], cwd=project, check=True)
        again = run(rebuilt)
        print(f"{rows:,} rows: {before['seconds']:.1f} s, {before['bytes_read'] / 1e6:.1f} MB read, {before['bytes_written'] / 1e6:.1f} MB written")
        print(f"1,000 more: {after['seconds']:.2f} s, {after['bytes_read'] / 1e6:.2f} MB read, {after['bytes_written'] / 1e6:.2f} MB written ({after['how']})")
        total = again["bytes_read"] + again["bytes_written"]
        share = (after["bytes_read"] + after["bytes_written"]) / total
        print(f"a rebuild reads and writes {total / 1e6:.1f} MB: the increment is {100 * share:.2f} % of it")
        print("same fingerprint" if again["fingerprint"] == after["fingerprint"] else "FINGERPRINTS DIFFER")


if __name__ == "__main__":
    main()
