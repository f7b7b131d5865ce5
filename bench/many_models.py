"""A project of thousands of models: what `plan`, a `run` with nothing to do and `status` take, and how much memory.

Usage: cargo xtask bench many_models [--models N]        (5,000 models unless told: a tenth as many feeds, silver over each, gold over gold)

Each of a hundred chains is a feed, its silver table, and gold tables that read the one before them; every tenth reads a second chain.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

KARAT = os.environ["KARAT"]
# Runs a command from a small process: a child's peak begins with that of its parent.
MEASURED = """
import os, sys
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(process, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss, file=sys.stderr)
"""
CHAINS = 100


def write_project(root, models):
    (root / "karat.yaml").write_text(
        "karat: 1\nproject: many\ntargets:\n  dev: { lake: ./lake, default: true }\nsources:\n  landing: { type: files, path: ./landing }\n"
    )
    length = models // CHAINS - 1
    for chain in range(CHAINS):
        folder = root / "domains" / f"d{chain}"
        for layer in ("silver", "gold"):
            (folder / layer).mkdir(parents=True)
        landing = root / "landing" / f"f{chain}"
        landing.mkdir(parents=True)
        (landing / "a.csv").write_text("id,amount\n" + "".join(f"{row},{row * chain}.25\n" for row in range(20)))
        (folder / "domain.yaml").write_text(
            f'domain: d{chain}\nowner: bench\nfeeds:\n  - {{ source: landing, name: f{chain}, mode: incremental, path: "f{chain}/*.csv" }}\n'
        )
        (folder / "silver" / "rows.yaml").write_text(
            f"from: landing.f{chain}\nselect: {{ id: cast(id as bigint), amount: \"cast(amount as decimal(18, 2))\" }}\n"
            'expectations: { positive: { expect: "amount >= 0", action: quarantine } }\naccess: public\n'
        )
        before = f"d{chain}_silver.rows"
        for number in range(length):
            other = f"\nunion all select id, amount from d{(chain + 1) % CHAINS}_silver.rows where id > {number}" if number % 10 == 9 else ""
            sql = f"select id, sum(amount) + {number} as amount from (select id, amount from {before}{other}) group by id\n"
            (folder / "gold" / f"g{number}.sql").write_text(sql)
            (folder / "gold" / f"g{number}.yaml").write_text("key: [id]\n")
            before = f"d{chain}_gold.g{number}"
    return CHAINS * (length + 1)


def measured(root, *arguments):
    command = [sys.executable, "-S", "-c", MEASURED, KARAT, *arguments, "--json", "--quiet"]
    started = time.monotonic()
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    seconds = time.monotonic() - started
    *said, usage = done.stderr.strip().splitlines()
    code, peak = usage.split()
    assert code == "0", "\n".join(said[:10])
    return seconds, int(peak) // 1024, json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=5_000)
    with tempfile.TemporaryDirectory(prefix="karat-bench-") as name:
        root = pathlib.Path(name)
        models = write_project(root, parser.parse_args().models)
        print(f"{models:,} models over {CHAINS} feeds")
        for title, arguments in (
            ("first run", ["run"]),
            ("run, nothing to do", ["run"]),
            ("plan", ["plan"]),
            ("status", ["status"]),
        ):
            seconds, peak, answer = measured(root, *arguments)
            if title == "run, nothing to do":
                assert answer["status"] == "nothing_to_do", answer["status"]
            print(f"{title:20} {seconds:7.2f} s  {peak:5} MB", flush=True)


if __name__ == "__main__":
    main()
