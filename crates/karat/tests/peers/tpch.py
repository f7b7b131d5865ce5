"""The questions of TPC-H, asked of karat and of DuckDB over tables of the benchmark's shapes: tpch.py FOLDER KARAT.

Rows are made here from MD5 of their numbers, so every machine has the same. Prints one line a question. Where DuckDB's type is a
decimal, an integer, a date or a text the answers must be equal; where it turns a decimal into a double, karat's decimal must be the
quotient of two exact sums, rounded half away from zero.
"""

import decimal
import fractions
import json
import pathlib
import re
import subprocess
import sys

import duckdb

SCALE = 0.01
folder, karat = pathlib.Path(sys.argv[1]), sys.argv[2]
TABLES = ["region", "nation", "supplier", "part", "partsupp", "customer", "orders", "lineitem"]

# A number from 0 on for row `i` and column `salt`, below `n`; one from `lo` to `hi`; one of a list.
MAKE = """
create macro below(i, salt, n) as (md5_number_lower(i || ':' || salt) % n)::bigint;
create macro between_(i, salt, lo, hi) as lo + below(i, salt, hi - lo + 1);
create macro one_of(i, salt, list) as list[1 + below(i, salt, len(list))];
create macro money(i, salt, lo, hi) as (between_(i, salt, lo * 100, hi * 100) / 100)::decimal(15, 2);
create macro words(i, salt) as one_of(i, salt || 'a', {words}) || ' ' || one_of(i, salt || 'b', {words}) || ' ' || one_of(i, salt || 'c', {words});

create table region as select i::int as r_regionkey, ['AFRICA', 'AMERICA', 'ASIA', 'EUROPE', 'MIDDLE EAST'][i + 1] as r_name,
  words(i, 'r') as r_comment from range(5) t(i);
create table nation as select i::int as n_nationkey, {nations}[i + 1][1] as n_name, {nations}[i + 1][2]::int as n_regionkey,
  words(i, 'n') as n_comment from range(25) t(i);
create table supplier as select i as s_suppkey, format('Supplier#{{:09d}}', i) as s_name, words(i, 'sa') as s_address,
  below(i, 'sn', 25)::int as s_nationkey, format('{{}}-{{:03d}}-{{:03d}}', 10 + below(i, 'sn', 25), below(i, 'sp', 1000), below(i, 'sq', 1000)) as s_phone,
  money(i, 'sb', -999, 9999) as s_acctbal,
  case when below(i, 'sc', 20) = 0 then 'the Customer has Complaints of ' else '' end || words(i, 'sw') as s_comment
  from range(1, {suppliers} + 1) t(i);
create table part as select i as p_partkey,
  one_of(i, 'p1', {colours}) || ' ' || one_of(i, 'p2', {colours}) || ' ' || one_of(i, 'p3', {colours}) as p_name,
  'Manufacturer#' || between_(i, 'pm', 1, 5) as p_mfgr, 'Brand#' || between_(i, 'pm', 1, 5) || between_(i, 'pb', 1, 5) as p_brand,
  one_of(i, 't1', ['STANDARD', 'SMALL', 'MEDIUM', 'LARGE', 'ECONOMY', 'PROMO']) || ' ' ||
  one_of(i, 't2', ['ANODIZED', 'BURNISHED', 'PLATED', 'POLISHED', 'BRUSHED']) || ' ' ||
  one_of(i, 't3', ['TIN', 'NICKEL', 'BRASS', 'STEEL', 'COPPER']) as p_type,
  between_(i, 'ps', 1, 50)::int as p_size,
  one_of(i, 'c1', ['SM', 'LG', 'MED', 'JUMBO', 'WRAP']) || ' ' ||
  one_of(i, 'c2', ['CASE', 'BOX', 'BAG', 'JAR', 'PKG', 'PACK', 'CAN', 'DRUM']) as p_container,
  ((90000 + (i // 10) % 20001 + 100 * (i % 1000)) / 100)::decimal(15, 2) as p_retailprice, words(i, 'pw') as p_comment
  from range(1, {parts} + 1) t(i);
create macro supplier_of(p, k) as (p + k * ({suppliers} // 4 + (p - 1) // {suppliers})) % {suppliers} + 1;
create table partsupp as select p_partkey as ps_partkey, supplier_of(p_partkey, k) as ps_suppkey,
  between_(p_partkey * 4 + k, 'pq', 1, 9999)::int as ps_availqty, money(p_partkey * 4 + k, 'pc', 1, 1000) as ps_supplycost,
  'as agreed' as ps_comment from part, range(4) t(k);
create table customer as select i as c_custkey, format('Customer#{{:09d}}', i) as c_name, words(i, 'ca') as c_address,
  below(i, 'cn', 25)::int as c_nationkey, format('{{}}-{{:03d}}-{{:03d}}', 10 + below(i, 'cn', 25), below(i, 'cp', 1000), below(i, 'cq', 1000)) as c_phone,
  money(i, 'cb', -999, 9999) as c_acctbal,
  one_of(i, 'cm', ['AUTOMOBILE', 'BUILDING', 'FURNITURE', 'MACHINERY', 'HOUSEHOLD']) as c_mktsegment, words(i, 'cw') as c_comment
  from range(1, {customers} + 1) t(i);
create table lines as select *, between_(i, 'lp', 1, {parts}) as part_, between_(i, 'lq', 1, 50) as quantity,
    ordered + between_(i, 'lh', 1, 121)::int as shipped
  from (select o, k, o * 8 + k as i, ordered
    from (select o, between_(o, 'on', 1, 7) as n, date '1992-01-01' + below(o, 'od', 2406)::int as ordered from range(1, {orders} + 1) t(o)) a,
      range(1, 8) u(k) where k <= n) b;
create table lineitem as select o as l_orderkey, part_ as l_partkey,
  supplier_of(part_, below(i, 'ls', 4)) as l_suppkey, k::int as l_linenumber,
  quantity::decimal(15, 2) as l_quantity, (quantity * p_retailprice)::decimal(15, 2) as l_extendedprice,
  (below(i, 'ld', 11) / 100)::decimal(15, 2) as l_discount, (below(i, 'lt', 9) / 100)::decimal(15, 2) as l_tax,
  case when received > date '1995-06-17' then 'N' when below(i, 'lr', 2) = 0 then 'R' else 'A' end as l_returnflag,
  case when shipped > date '1995-06-17' then 'O' else 'F' end as l_linestatus,
  shipped as l_shipdate, ordered + between_(i, 'lc', 30, 90)::int as l_commitdate, received as l_receiptdate,
  one_of(i, 'li', ['DELIVER IN PERSON', 'COLLECT COD', 'NONE', 'TAKE BACK RETURN']) as l_shipinstruct,
  one_of(i, 'lm', ['REG AIR', 'AIR', 'RAIL', 'SHIP', 'TRUCK', 'MAIL', 'FOB']) as l_shipmode, 'as agreed' as l_comment
  from (select *, shipped + between_(i, 'lv', 1, 30)::int as received from lines) l join part on p_partkey = part_;
create table orders as select l_orderkey as o_orderkey,
  any_value(1 + 3 * below(l_orderkey, 'oc', {customers} // 3) + below(l_orderkey, 'ok', 2)) as o_custkey,
  case when bool_and(l_linestatus = 'F') then 'F' when bool_and(l_linestatus = 'O') then 'O' else 'P' end as o_orderstatus,
  sum(l_extendedprice * (1 + l_tax) * (1 - l_discount))::decimal(15, 2) as o_totalprice,
  date '1992-01-01' + below(l_orderkey, 'od', 2406)::int as o_orderdate,
  one_of(l_orderkey, 'op', ['1-URGENT', '2-HIGH', '3-MEDIUM', '4-NOT SPECIFIED', '5-LOW']) as o_orderpriority,
  format('Clerk#{{:09d}}', below(l_orderkey, 'oe', 1000)) as o_clerk, 0::int as o_shippriority,
  case when below(l_orderkey, 'os', 50) = 0 then 'special packages and requests ' else '' end || words(l_orderkey, 'ow') as o_comment
  from lineitem group by l_orderkey;
"""

NATIONS = [
    ("ALGERIA", 0), ("ARGENTINA", 1), ("BRAZIL", 1), ("CANADA", 1), ("EGYPT", 4), ("ETHIOPIA", 0), ("FRANCE", 3),
    ("GERMANY", 3), ("INDIA", 2), ("INDONESIA", 2), ("IRAN", 4), ("IRAQ", 4), ("JAPAN", 2), ("JORDAN", 4), ("KENYA", 0),
    ("MOROCCO", 0), ("MOZAMBIQUE", 0), ("PERU", 1), ("CHINA", 2), ("ROMANIA", 3), ("SAUDI ARABIA", 4), ("VIETNAM", 2),
    ("RUSSIA", 3), ("UNITED KINGDOM", 3), ("UNITED STATES", 1),
]
COLOURS = ["almond", "blue", "chocolate", "forest", "green", "ivory", "khaki", "linen", "maroon", "navy", "olive", "peach"]
WORDS = ["quick", "careful", "bold", "final", "regular", "packages", "accounts", "deposits", "ideas", "requests", "special", "slow"]

# Where DuckDB answers with a double: the exact sums whose quotient it is, by the other columns of the row.
EXACT = {
    ("8", "mkt_share"): "select o_year, sum(case when nation = 'BRAZIL' then volume else 0 end), sum(volume) {rest}",
    ("14", "promo_revenue"): "select sum(case when p_type like 'PROMO%' then l_extendedprice * (1 - l_discount) else 0 end) * 100, "
    "sum(l_extendedprice * (1 - l_discount)) {rest}",
    ("17", "avg_yearly"): "select sum(l_extendedprice), 7 {rest}",
    ("1", "avg_qty"): "select l_returnflag, l_linestatus, sum(l_quantity), count(*) {rest}",
    ("1", "avg_price"): "select l_returnflag, l_linestatus, sum(l_extendedprice), count(*) {rest}",
    ("1", "avg_disc"): "select l_returnflag, l_linestatus, sum(l_discount), count(*) {rest}",
}



def make():
    connection = duckdb.connect()
    nations = "[" + ", ".join(f"['{name}', '{region}']" for name, region in NATIONS) + "]"
    text = MAKE.format(
        words=repr(WORDS), colours=repr(COLOURS), nations=nations, suppliers=int(10_000 * SCALE), parts=int(200_000 * SCALE),
        customers=int(150_000 * SCALE), orders=int(1_500_000 * SCALE),
    )
    connection.execute(text)
    for table in TABLES:
        connection.execute(f"copy {table} to '{folder / table}.parquet' (format parquet, row_group_size 8192)")
    return connection


def plain(value):
    """A value as both sides write it."""
    if isinstance(value, decimal.Decimal):
        return value.normalize() + 0
    if isinstance(value, int):
        return decimal.Decimal(value)
    return value if value is None or isinstance(value, (str, float)) else str(value)


def rounded(quotient, scale):
    """Half away from zero."""
    scaled = abs(quotient) * 10**scale
    whole = int(scaled + fractions.Fraction(1, 2))
    return decimal.Decimal(whole if quotient >= 0 else -whole).scaleb(-scale)


def difference(connection, number, sql, rows):
    """What is not equal, or an empty text."""
    relation = connection.sql(sql)
    names, doubles = relation.columns, [str(kind) == "DOUBLE" for kind in relation.types]
    keep = [at for at, double in enumerate(doubles) if not double]
    order = lambda row: [(value is None, str(value)) for value in row]
    theirs = sorted(([plain(row[at]) for at in keep] for row in relation.fetchall()), key=order)
    ours = sorted(([plain(row[names[at]]) for at in keep] for row in rows), key=order)
    if ours != theirs:
        return f"{len(ours)} rows here and {len(theirs)} there: {next((o, t) for o, t in zip(ours + [None], theirs + [None]) if o != t)}"
    for name, double in zip(names, doubles):
        if not double:
            continue
        rest = sql[sql.index("\nfrom ") :] if number != "8" else sql[sql.index("\nfrom (") :]
        exact = connection.sql(EXACT[number, name].format(rest=re.sub(r"\norder by .*", "", rest, flags=re.S))).fetchall()
        found = {tuple(plain(part) for part in row[:-2]): row[-2:] for row in exact}
        keys = [other for other, kind in zip(names, doubles) if other != name and not kind][: len(exact[0]) - 2]
        for row in rows:
            above, below = found[tuple(plain(row[key]) for key in keys)]
            value = row[name]
            want = None if above is None else rounded(fractions.Fraction(above) / fractions.Fraction(below), -value.as_tuple().exponent)
            if value != want:
                return f"{name} is {value} here, and exactly {want}"
    return ""


def main():
    connection = make()
    text = (pathlib.Path(__file__).parent / "tpch.sql").read_text()
    tables = [argument for table in TABLES for argument in ("--table", f"{table}={folder / table}.parquet")]
    for part in text.split("-- name: ")[1:]:
        number, sql = part.split("\n", 1)
        sql = sql.strip()
        answer = subprocess.run(
            [karat, "query", "--quiet", "--threads", "2", "--format", "ndjson", *tables, sql], capture_output=True, text=True
        )
        if answer.returncode != 0:
            print(f"{number}: exit {answer.returncode}: {answer.stderr.splitlines()[0]}")
            continue
        rows = [json.loads(line, parse_float=decimal.Decimal) for line in answer.stdout.splitlines()]
        wrong = difference(connection, number, sql, rows)
        print(f"{number}: {len(rows)} rows, " + (wrong or "equal"), flush=True)


main()
