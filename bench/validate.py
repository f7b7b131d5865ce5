"""Validating a large project: every file read, every reference resolved, every model planned against known columns.

Usage: cargo xtask bench validate [--models N]        (10,000 models unless told, half silver, half gold)

Cold is the first time, with nothing in `.karat/`; warm is the second; then one model is changed.
"""

import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import time

KARAT = os.environ["KARAT"]
TABLES = 100
COLUMNS = 12


def silver(table):
    lines = [f"# Table {table}", f"from: landing.t{table}", "access: public", "select:"]
    lines += [f"  c{column}: cast(trim(c{column}) as decimal(18, 2))" for column in range(COLUMNS)]
    lines += ["  updated_at: to_timestamp(updated_at, '%Y-%m-%d %H:%M:%S')", "expectations:"]
    lines += [f'  r{rule}: {{ expect: "c{rule} is not null and c{rule} >= 0", action: quarantine, limit: 1% }}' for rule in range(3)]
    lines += ["auto_cdc: { keys: [c0], sequence_by: updated_at, stored_as_scd_type: 2 }"]
    return "\n".join(lines) + "\n"


def gold(domain, other, table):
    join = f"left join d{domain}_gold.g{table - 1} as g on g.id = a.c0 and g.name = b.c1 and g.total = a.total\n" if table else ""
    return f"""-- Gold {table}
with a as (
  select c0, c1, c2, sum(c3) as total
  from d{domain}_silver.t{table}
  where c4 > 10 and __END_AT is null
  group by c0, c1, c2
)
select a.c0 as id, b.c1 as name, a.total, count(*) as n,
  case when a.total > 100 then 'large' when a.total > 10 then 'middle' else 'small' end as size
from a
join d{other}_silver.t{table} as b on a.c0 = b.c0 and b.c5 between 1 and 100
{join}group by a.c0, b.c1, a.total
"""


def write_project(root, models):
    domains = models // 2 // TABLES
    (root / "karat.yaml").write_text("karat: 1\nproject: large\nsources:\n  landing: { type: files, path: ./landing }\n")
    (root / "landing").mkdir()
    columns = ", ".join([f"c{column}" for column in range(COLUMNS)] + ["updated_at"])
    for domain in range(domains):
        folder = root / "domains" / f"d{domain}"
        (folder / "silver").mkdir(parents=True)
        (folder / "gold").mkdir()
        feeds = [f"domain: d{domain}", "owner: bench", "feeds:"]
        for table in range(TABLES):
            feeds.append(
                f'  - {{ source: landing, name: t{table}, mode: incremental, path: "t{table}/*.csv", columns: [{columns}], '
                f'csv: {{ delimiter: ";", header: false }} }}'
            )
            (folder / "silver" / f"t{table}.yaml").write_text(silver(table))
            (folder / "gold" / f"g{table}.sql").write_text(gold(domain, (domain + 1) % domains, table))
            (folder / "gold" / f"g{table}.yaml").write_text("key: [id, name, total]\naccess: public\n")
        (folder / "domain.yaml").write_text("\n".join(feeds) + "\n")


def validate(root):
    started = time.monotonic()
    done = subprocess.run([KARAT, "validate", "--json"], cwd=root, capture_output=True, text=True)
    seconds = time.monotonic() - started
    answer = json.loads(done.stdout)
    assert answer["ok"], answer["diagnostics"][:3]
    return seconds, answer


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=10_000)
    models = parser.parse_args().models
    with tempfile.TemporaryDirectory(prefix="karat-bench-") as name:
        root = pathlib.Path(name)
        write_project(root, models)
        cold, answer = validate(root)
        print(f"{answer['models']:,} models, {answer['planned']:,} planned: {cold:.2f} s cold")
        warm, _ = validate(root)
        print(f"again: {warm:.2f} s warm")
        changed = root / "domains" / "d0" / "silver" / "t0.yaml"
        changed.write_text(changed.read_text().replace("c11: cast", "c11_renamed: cast"))
        one, _ = validate(root)
        print(f"after one silver model was changed: {one:.2f} s")


if __name__ == "__main__":
    main()
