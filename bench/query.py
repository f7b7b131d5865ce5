"""Seven queries: karat against DuckDB, Polars and DataFusion on the same Parquet files, one after the other in each round.

Usage: cargo xtask bench query [--rows N] [--rounds N] [--only QUERY ...] [--also chdb sail spark] [--data DIR] [--cost]
       (10,000,000 rows, 3 rounds unless told; `--also` installs those engines from PyPI, Spark needs Java)

What is compared is processor time, all threads, of answering: each engine runs in a process of its own with two threads, the peers
twice, the second time warm; karat's time is that of the whole command. Peak memory is that of the process. Every value that is not
a double must be equal in all answers, decimals to the last digit; doubles to ten digits. `--data` keeps the files for the next time.

`--cost` asks what exactness costs: karat beside `plain`, which is DataFusion's own functions in the same build, both as whole commands
(crates/karat-exact/examples/plain.rs), and what of either is start and planning.
"""

import argparse
import csv
import decimal
import io
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

KARAT = os.environ["KARAT"]
# karat gives memory back so soon by itself; `plain`, which has the same allocator, is to do so, too.
os.environ["MIMALLOC_PURGE_DELAY"] = "10"
PLAIN = pathlib.Path(KARAT).parent / "examples" / "plain"
THREADS = 2
# Seconds for one answer, the first, cold one of a peer included.
PATIENCE = 300
ENGINES = ["karat", "duckdb", "polars", "datafusion"]
COMMANDS = ["karat", "plain"]
# Engines with dependencies of their own: each set of them is installed once, beside the environment that this runs in. Sail's server
# refuses Spark's newer client.
APART = {
    "chdb": ["chdb==4.4.0", "pyarrow==26.0.1"],
    "spark": ["pyspark==4.3.0", "pandas==3.1.1", "pyarrow==26.0.1"],
    "sail": ["pysail==0.7.2", "pyspark-client==4.2.0", "pandas==2.3.3", "pyarrow==26.0.1", "setuptools==65.5.0"],
}


def outer(columns, inner):
    return f"select count(*) as n, {columns} from ({inner}) as q"


GROUPED = "select desk, currency, book_date, sum({a}) as a, sum({b}) as b, count(*) as c from ledger group by desk, currency, book_date"
QUERIES = {
    "trc": (
        ["trc"],
        "select station, min(measure) as mn, avg(measure) as av, max(measure) as mx from trc group by station order by station",
    ),
    "trc_dec": (
        ["trc"],
        "select station, min(measure) as mn, sum(cast(measure as decimal(9,1))) as s, count(*) as c, max(measure) as mx "
        "from trc group by station order by station",
    ),
    "ledger": (
        ["ledger"],
        outer("sum(a) as sa, max(a) as ma, sum(b) as sb, max(b) as mb, sum(c) as sc", GROUPED.format(a="amount", b="amount * fx_rate")),
    ),
    "ledger_f": (
        ["ledger"],
        outer("sum(c) as sc, max(a) as ma, max(b) as mb", GROUPED.format(a="amount_f", b="amount_f * cast(fx_rate as double)")),
    ),
    "acct": (
        ["ledger"],
        outer(
            "sum(a) as sa, max(a) as ma, sum(c) as sc, sum(t) as st",
            "select account_id, sum(amount) as a, count(*) as c, max(txn_id) as t from ledger group by account_id",
        ),
    ),
    "dedupe": (
        ["ledger"],
        outer(
            "sum(amount) as sa, sum(txn_id) as st",
            "select account_id, txn_id, amount from (select account_id, txn_id, amount, "
            "row_number() over (partition by account_id order by txn_id desc) as rn from ledger) as w where rn = 1",
        ),
    ),
    "join": (
        ["ledger", "accounts"],
        "select region, risk_class, sum(amount) as a, sum(amount * fx_rate) as b, count(*) as c from ledger "
        "join accounts on ledger.account_id = accounts.account_id group by region, risk_class order by region, risk_class",
    ),
}


def text_for(engine, query):
    """The query as an engine takes it: DuckDB's product of two decimal(18) stays in 64 bits and fails; karat rounds no double
    unasked."""
    sql = QUERIES[query][1]
    if engine == "duckdb":
        return sql.replace("amount * fx_rate", "cast(amount as decimal(20,4)) * fx_rate")
    if engine == "karat":
        return sql.replace("cast(measure as decimal(9,1))", "decimal_from_double(measure, 1)")
    if engine == "chdb":
        # Products of two Decimal64 overflow, and an empty group or a missing value is no null unless told.
        return sql.replace("amount * fx_rate", "toDecimal128(amount, 4) * fx_rate")
    return sql


def write_tables(folder, rows, tables):
    """Of measurements of 412 stations, a ledger and its accounts, those that are asked for, the same for everybody; DuckDB writes them."""
    import duckdb

    db = duckdb.connect()
    db.execute("set threads=2")
    for name in tables:
        (folder / name).mkdir(parents=True, exist_ok=True)
    # Even numbers from a hash: the same in every run and version that keeps the hash; nothing below depends on the values.
    even = "(hash(i, {k}) % 1000003) / 1000003.0"
    normal = "(" + " + ".join(even.format(k=k) for k in range(100, 104)) + " - 2) * 1.7320508"
    if "trc" in tables:
        for half in range(2):
            share = rows // 2
            db.execute(
                f"""copy (select 'S' || lpad(cast(s as varchar), 3, '0') || substr('abcdefghijkl', 1, cast(1 + s % 11 as bigint)) as station,
                    round(cast(s % 47 as double) - 15 + 10 * ({normal}), 1) as measure
                from (select i, hash(i, 1) % 412 as s from range({half * share}, {(half + 1) * share}) t(i)))
                to '{folder}/trc/measurements_{half}.parquet' (compression snappy, row_group_size 1000000)"""
            )
    accounts = max(rows // 10, 10)
    if "ledger" in tables:
        currencies = "['USD','EUR','GBP','JPY','CHF','AUD','CAD','SEK','NOK','INR','SGD','ZAR']"
        db.execute(
            f"""copy (select cast(i * 7919 % {rows} as bigint) as txn_id,
                cast(floor(pow({even.format(k=2)}, 2) * {accounts}) as bigint) as account_id,
                'DESK-' || lpad(cast(hash(i, 3) % 40 as varchar), 2, '0') as desk,
                {currencies}[cast(1 + hash(i, 4) % 12 as bigint)] as currency,
                date '2024-01-01' + cast(hash(i, 5) % 250 as integer) as book_date,
                cast(exp(6 + 2.5 * ({normal})) * (case when hash(i, 6) % 2 = 0 then 1 else -1 end) as decimal(18,4)) as amount,
                cast(0.01 + hash(i, 7) % 100000000 / 1e8 as decimal(18,8)) as fx_rate,
                cast(amount as double) as amount_f
            from range({rows}) t(i)) to '{folder}/ledger/ledger.parquet' (compression snappy, row_group_size 1000000)"""
        )
    if "accounts" in tables:
        db.execute(
            f"""copy (select cast(i as bigint) as account_id, 'R' || hash(i, 8) % 8 as region, cast(hash(i, 9) % 20 as integer) as risk_class
            from range({accounts}) t(i)) to '{folder}/accounts/accounts.parquet' (compression snappy)"""
        )


def command(engine, tables, folder, *options):
    """A whole command that answers as CSV."""
    named = [f"{table}={folder}/{table}" for table in tables]
    if engine == "plain":
        # A folder of Parquet files ends with a slash.
        return [PLAIN, str(THREADS), *(f"{table}/" for table in named), *options]
    named = [part for table in named for part in ("--table", table)]
    return [KARAT, "query", "--quiet", "--threads", str(THREADS), "--format", "csv", *options, *named]


def answer(engine, tables, sql, folder):
    """Runs in a process of its own: seconds of the processor, peak memory in KiB, and the answer as rows of text."""
    if engine in COMMANDS:
        out = subprocess.run(command(engine, tables, folder) + [sql], check=True, stdout=subprocess.PIPE, text=True).stdout
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        header, *rows = csv.reader(io.StringIO(out))
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss, [dict(zip(header, row)) for row in rows]
    run, other = OPEN[engine](tables, folder)
    for _ in range(2):
        started = seconds_of(other)
        table = run(sql)
        seconds = seconds_of(other) - started
    rows = table.to_pylist()
    # Of this program alone: what the kernel counts for a process begins with the peak of the one that started it.
    return seconds, peak_of("self") + peak_of(other), rows


def seconds_of(other):
    """Of this process, and of the one in which the engine runs, if it has one."""
    own = time.process_time()
    if other is None:
        return own
    fields = pathlib.Path(f"/proc/{other}/stat").read_text().rsplit(")", 1)[1].split()
    return own + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_of(other):
    if other is None:
        return 0
    status = pathlib.Path(f"/proc/{other}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def open_duckdb(tables, folder):
    import duckdb

    db = duckdb.connect(config={"threads": THREADS})
    for table in tables:
        db.execute(f"create view {table} as select * from read_parquet('{folder}/{table}/*.parquet')")
    return lambda sql: db.sql(sql).to_arrow_table(), None


def open_polars(tables, folder):
    os.environ["POLARS_MAX_THREADS"] = str(THREADS)
    import polars

    context = polars.SQLContext()
    for table in tables:
        context.register(table, polars.scan_parquet(f"{folder}/{table}/*.parquet"))
    return lambda sql: context.execute(sql).collect(engine="streaming").to_arrow(), None


def open_datafusion(tables, folder):
    os.environ["TOKIO_WORKER_THREADS"] = str(THREADS)
    import datafusion

    context = datafusion.SessionContext(datafusion.SessionConfig().with_target_partitions(THREADS))
    for table in tables:
        context.register_parquet(table, f"{folder}/{table}")
    return lambda sql: context.sql(sql).to_arrow_table(), None


def open_chdb(tables, folder):
    import pyarrow
    from chdb import session

    database = session.Session()
    for setting in (f"max_threads = {THREADS}", "schema_inference_make_columns_nullable = 'auto'", "output_format_arrow_string_as_string = 1"):
        database.query(f"set {setting}")
    for table in tables:
        database.query(f"create view {table} as select * from file('{folder}/{table}/*.parquet', Parquet)")
    return lambda sql: pyarrow.ipc.open_file(database.query(sql, "Arrow").bytes()).read_all(), None


def open_sail(tables, folder):
    os.environ["TOKIO_WORKER_THREADS"] = str(THREADS)
    from pysail.spark import SparkConnectServer
    from pyspark.sql import SparkSession

    server = SparkConnectServer()
    server.start(background=True)
    spark = SparkSession.builder.remote(f"sc://localhost:{server.listening_address[1]}").getOrCreate()
    for table in tables:
        spark.read.parquet(f"{folder}/{table}").createOrReplaceTempView(table)
    # The server ends with this process; it is named so that it lives as long.
    return lambda sql, _server=server: spark.sql(sql).toArrow(), None


def open_spark(tables, folder):
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(f"local[{THREADS}]")
    for name, value in {
        "spark.driver.memory": "6g",
        "spark.sql.shuffle.partitions": "4",
        "spark.ui.enabled": "false",
        "spark.log.level": "ERROR",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
    }.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    for table in tables:
        spark.read.parquet(f"{folder}/{table}").createOrReplaceTempView(table)
    return lambda sql: spark.sql(sql).toArrow(), int(spark._jvm.java.lang.ProcessHandle.current().pid())


OPEN = {
    "duckdb": open_duckdb,
    "polars": open_polars,
    "datafusion": open_datafusion,
    "chdb": open_chdb,
    "sail": open_sail,
    "spark": open_spark,
}


def python_of(engine):
    """The Python that has the engine, after installing it."""
    if engine not in APART:
        return sys.executable
    folder = pathlib.Path(sys.prefix).parent / f"peers-{engine}"
    stamp, wanted = folder / "installed.txt", "\n".join(APART[engine])
    python = folder / "bin" / "python"
    if not stamp.is_file() or stamp.read_text() != wanted:
        print(f"{engine}: installing into {folder}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *APART[engine]], check=True)
        stamp.write_text(wanted)
    return python


def cells(rows):
    """Values in a form that does not depend on types: exact numbers with all their digits, doubles to ten."""

    def cell(value):
        if isinstance(value, float):
            return float(f"{value:.10g}")
        try:
            number = decimal.Decimal(str(value))
        except decimal.InvalidOperation:
            return str(value)
        return number

    return [{name: cell(value) for name, value in row.items()} for row in rows]


def same(left, right):
    def equal(a, b):
        if isinstance(a, float) or isinstance(b, float):
            # One zero.
            return f"{float(a) + 0.0:.10g}" == f"{float(b) + 0.0:.10g}"
        return a == b

    return len(left) == len(right) and all(
        one.keys() == other.keys() and all(equal(one[name], other[name]) for name in one) for one, other in zip(left, right)
    )


def measured(engine, tables, sql, folder):
    """The answer of a process of the engine's own, or why there is none."""
    command = [python_of(engine), __file__, "--answer", engine, "--tables", *tables, "--data", folder]
    try:
        result = subprocess.run(command, input=sql, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return None, f"no answer within {PATIENCE} seconds"
    if result.returncode != 0:
        return None, (result.stderr.strip().splitlines() or [f"exit {result.returncode}"])[-1][:200]
    seconds, peak, rows = json.loads(result.stdout.splitlines()[-1])
    return (seconds, peak / 1024, rows), None


def planning(engine, query, folder):
    """Seconds of the processor until the plan is there."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command(engine, QUERIES[query][0], folder, "--plan") + [text_for(engine, query)], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compare(query, folder, rounds, engines, cost):
    """All rounds of one query; prints a row for each engine, and says whether the answers were equal."""
    runs = {engine: [] for engine in engines}
    failed = {}
    for _ in range(rounds):
        for engine in engines:
            run, why = measured(engine, QUERIES[query][0], text_for(engine, query), folder)
            if run is None:
                failed[engine] = why
            else:
                runs[engine].append(run)
    if not runs["karat"]:
        sys.exit(f"{query}: karat failed: {failed['karat']}")
    seconds = {engine: statistics.median(run[0] for run in done) for engine, done in runs.items() if done}
    expected = cells(runs["karat"][0][2])
    equal = True
    for engine in engines:
        if not runs[engine]:
            print(f"{query:9} {engine:11} failed: {failed[engine]}", flush=True)
            continue
        peak = max(run[1] for run in runs[engine])
        ratio = seconds[engine] / seconds["karat"]
        here = all(same(expected, cells(run[2])) for run in runs[engine])
        equal &= here
        note = f"   {planning(engine, query, folder):.3f} s of it until the plan is there" if cost else ""
        note += "" if here else "   DIFFERS"
        print(f"{query:9} {engine:11} {seconds[engine]:7.3f} s   {ratio:5.2f} of karat's   {peak:6.0f} MB{note}", flush=True)
    return equal


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=QUERIES, default=list(QUERIES))
    parser.add_argument("--answer", help=argparse.SUPPRESS)
    parser.add_argument("--tables", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--also", nargs="*", choices=APART, default=[])
    parser.add_argument("--cost", action="store_true")
    parser.add_argument("--data", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.answer:
        seconds, peak, rows = answer(arguments.answer, arguments.tables, sys.stdin.read(), arguments.data)
        rows = [{name: value if isinstance(value, float) else str(value) for name, value in row.items()} for row in rows]
        print(json.dumps([seconds, peak, rows]), flush=True)
        # Sail's server ends with an error when Python does.
        os._exit(0)
    engines = COMMANDS if arguments.cost else ENGINES + arguments.also
    with tempfile.TemporaryDirectory(prefix="karat-bench-") as name:
        folder = arguments.data or pathlib.Path(name)
        tables = sorted({table for query in arguments.only for table in QUERIES[query][0]})
        missing = [table for table in tables if not (folder / table).is_dir()]
        write_tables(folder, arguments.rows, missing)
        equal = [compare(query, folder, arguments.rounds, engines, arguments.cost) for query in arguments.only]
    if not all(equal):
        sys.exit("answers differ")


if __name__ == "__main__":
    main()
