"""Queries that hold many rows, under a memory limit and without: memory.py FOLDER KARAT [ROWS [SHAPE ...]]. Needs DuckDB, which makes the rows.

Prints one line a shape: whether both gave the same answer, and whether the process kept to the limit and 256 MiB besides. An operator
that cannot spill must say that it ran out of memory, with exit 3. The figures themselves go to stderr.
"""

import hashlib
import os
import pathlib
import subprocess
import sys
import threading

BESIDES_MIB, SECONDS = 256, 300
folder, karat = pathlib.Path(sys.argv[1]), sys.argv[2]
ROWS = int(sys.argv[3]) if len(sys.argv) > 3 else 150_000

# In a process of its own: the peak of a child begins with that of its parent.
MAKE = """
import duckdb, sys
folder, rows = sys.argv[1], int(sys.argv[2])
for part in range(3):
    duckdb.execute(f\"\"\"copy (
        select i as id, (md5_number_lower('k' || i) % {rows * 2 // 3})::bigint as k, (md5_number_lower('x' || i) % 1000003)::double / 7 as x,
            md5('s' || i) || repeat(md5('t' || i), 28) as s
        from range({part * rows // 3}, {(part + 1) * rows // 3}) t(i)) to '{folder}/{part}.parquet' (format parquet)\"\"\")
"""

# By name: the limit in MiB, and the query. Merge joins have several sorts beside each other, so they need more.
SHAPES = {
    "group": (64, "select count(*), sum(c), max(m) from (select k, count(*) as c, max(s) as m from big group by k) q"),
    "distinct": (64, "select count(*), max(s) from (select distinct k, s from big) q"),
    "count distinct": (64, "select k % 3 as part, count(distinct s) from big group by k % 3"),
    "exact sums": (64, "select count(*), max(d), max(v) from (select k, sum(x) as d, var_pop(x) as v from big group by k) q"),
    "list": (64, "select count(*), max(t) from (select k, string_agg(s, ',' order by id) as t from big group by k) q"),
    "median": (64, "select count(*), sum(m) from (select k, median(id) as m from big group by k) q"),
    "sort": (64, "select sum(id * r) from (select id, row_number() over (order by s, id) as r from big) q"),
    "all rows": (64, "select * from big order by s"),
    "window": (64, "select count(*), sum(r) from (select row_number() over (partition by k order by s) as r from big) q"),
    "latest": (64, "select count(*), max(s) from (select s, row_number() over (partition by k order by id desc) as r from big) q where r = 1"),
    "join": (192, "select count(*), max(a.s), min(b.s) from big a join big b on a.k = b.k and a.id <> b.id"),
    "left join": (192, "select count(*), count(b.id), max(b.s) from big a left join big b on a.k = b.id and b.id % 2 = 0"),
    "two joins": (256, "select count(*), max(c.s) from big a join big b on a.k = b.id join big c on b.k = c.id"),
    "semi join": (192, "select count(*), max(s) from big where s in (select s from big where id % 2 = 0)"),
    "except": (192, "select count(*), max(s) from (select s from big except select s from big where id % 3 = 0) q"),
    "union": (64, "select count(*), max(s) from (select s, k from big union select s, id from big) q"),
    "window of all": (64, "select max(x) from (select max(s) over () || s as x from big) q"),
    "one group": (64, "select length(string_agg(s, ',' order by id)) from big"),
    "comparison": (64, "select count(*) from (select * from big where id % (select count(*) / 40 from big) = 0) a join big b on a.s < b.s and a.k + a.id > b.k"),
}


def run(sql, *options):
    """Exit code, digest of the rows, what stderr says, and the most memory that the process had, in MiB."""
    command = [karat, "query", "--quiet", "--threads", "2", "--format", "csv", *options, "--table", f"big={folder / 'big'}", sql]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    # A query that waits for itself is ended.
    clock = threading.Timer(SECONDS, process.kill)
    clock.start()
    said = []
    listener = threading.Thread(target=lambda: said.append(process.stderr.read()))
    listener.start()
    digest = hashlib.sha256()
    while part := process.stdout.read(1 << 16):
        digest.update(part)
    listener.join()
    _, status, usage = os.wait4(process.pid, 0)
    clock.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, digest.hexdigest(), said[0].decode(), usage.ru_maxrss // 1024


def main():
    (folder / "big").mkdir(exist_ok=True)
    subprocess.run([sys.executable, "-c", MAKE, folder / "big", str(ROWS)], check=True)
    for name in sys.argv[4:] or SHAPES:
        limit, sql = SHAPES[name]
        code, rows, said, most = run(sql, "--memory", f"{limit}MiB")
        kept = most <= limit + BESIDES_MIB
        if code == 0:
            _, want, _, without = run(sql, "--memory", "8GiB")
            told = "the same answer" if rows == want else "ANOTHER ANSWER"
        else:
            without, told = 0, f"exit {code}: {' '.join(said.splitlines()[:1])}"
        print(f"{name}: {told}; {'within the limit' if kept else f'{most} MiB'}", flush=True)
        print(f"{name}: {most} MiB, without limit {without} MiB", file=sys.stderr, flush=True)


main()
