"""Queries that hold many rows, under a memory limit and without: memory.py FOLDER KARAT. Needs DuckDB, which makes the rows.

Prints one line a shape: whether both gave the same answer, and whether the process kept to the limit and what it needs besides. An operator
that cannot spill must say that it ran out of memory, with exit 3.
"""

import hashlib
import os
import pathlib
import subprocess
import sys
import threading

import duckdb

BESIDES_MIB, ROWS = 256, 600_000
folder, karat = pathlib.Path(sys.argv[1]), sys.argv[2]

# By name: the limit in MiB, and the query. A merge join has several sorts beside each other, so it needs more.
SHAPES = {
    "group": (64, "select count(*), sum(c), max(m) from (select k, count(*) as c, max(s) as m from big group by k) q"),
    "distinct": (64, "select count(*), max(s) from (select distinct k, s from big) q"),
    "sort": (64, "select sum(id * r) from (select id, row_number() over (order by s, id) as r from big) q"),
    "window": (64, "select count(*), sum(r) from (select row_number() over (partition by k order by s) as r from big) q"),
    "join": (192, "select count(*), max(a.s), min(b.s) from big a join big b on a.k = b.k and a.id <> b.id"),
    "window of all": (64, "select max(x) from (select max(s) over () || s as x from big) q"),
}


def run(sql, *options):
    """Exit code, digest of the rows, what stderr says, and the most memory that the process had, in MiB."""
    command = [karat, "query", "--quiet", "--threads", "2", "--format", "csv", *options, "--table", f"big={folder / 'big'}", sql]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said = []
    listener = threading.Thread(target=lambda: said.append(process.stderr.read()))
    listener.start()
    digest = hashlib.sha256()
    while part := process.stdout.read(1 << 16):
        digest.update(part)
    listener.join()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, digest.hexdigest(), said[0].decode(), usage.ru_maxrss // 1024


def main():
    (folder / "big").mkdir(exist_ok=True)
    connection = duckdb.connect()
    for part in range(3):
        connection.execute(
            f"""copy (select i as id, (md5_number_lower('k' || i) % {ROWS * 2 // 3})::bigint as k,
                  md5('s' || i) || md5('t' || i) || repeat('x', 40) as s
                from range({part * ROWS // 3}, {(part + 1) * ROWS // 3}) t(i)) to '{folder / 'big' / f'{part}.parquet'}' (format parquet)"""
        )
    for name, (limit, sql) in SHAPES.items():
        code, rows, said, most = run(sql, "--memory", f"{limit}MiB")
        kept = most <= limit + BESIDES_MIB
        if code == 0:
            _, want, _, without = run(sql, "--memory", "8GiB")
            told = "the same answer" if rows == want else "ANOTHER ANSWER"
        else:
            without, told = 0, f"exit {code}: {said.splitlines()[0]}"
        print(f"{name}: {told}; {'within the limit' if kept else f'{most} MiB'}", flush=True)
        print(f"{name}: {most} MiB, without limit {without} MiB", file=sys.stderr, flush=True)


main()
