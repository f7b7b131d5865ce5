"""Recomputes the gold tables of examples/adventures with DuckDB, from the published files alone, and compares every cell.

Usage: adventures.py LAKE DATA. Exit 0 if all cells agree. DuckDB keeps decimals exact in sums and products; a mean or a quotient is a double
there, so these are made of DuckDB's exact sums and counts with Python's fractions, rounded half away from zero as the project rounds.
"""

import csv
import os
import sqlite3
import sys
from decimal import Decimal
from fractions import Fraction

import duckdb
import pyarrow as pa
from deltalake import DeltaTable

lake, data = sys.argv[1], sys.argv[2]
db = duckdb.connect()
failures = 0


def columns_of(file):
    with open(f"{data}/adventureworks/columns.csv", newline="", encoding="utf-8") as handle:
        return [row[2].lower() for row in csv.reader(handle) if row[0] == file]


def adventureworks(name, file, delimiter):
    """A file without quotes, each record in a line."""
    names = "[" + ", ".join(f"'{column}'" for column in columns_of(file)) + "]"
    db.execute(
        f"create table {name} as select * from read_csv('{data}/adventureworks/{file}', delim='{delimiter}', header=false, "
        f"quote='', escape='', all_varchar=true, names={names}, nullstr='')"
    )


def records(name, file, delimiter, terminator):
    """A file whose records hold line breaks: cut by Python, counted field by field."""
    columns = columns_of(file)
    with open(f"{data}/adventureworks/{file}", encoding="utf-8", newline="") as handle:
        text = handle.read()
    rows = []
    fields = []
    for piece in text.removesuffix(terminator).split(terminator):
        found = piece.split(delimiter)
        # A terminator before the last column is text.
        if fields:
            fields[-1] += terminator + found[0]
            found = found[1:]
        fields += found
        if len(fields) == len(columns):
            rows.append([field or None for field in fields])
            fields = []
    assert not fields, f"{file} ends within a record"
    table = {column: pa.array([row[at] for row in rows], pa.string()) for at, column in enumerate(columns)}
    db.register(name, pa.table(table))


def with_header(name, path, nullstr):
    db.execute(f"create table {name} as select * from read_csv('{data}/{path}', header=true, all_varchar=true, nullstr='{nullstr}')")


def sqlite_table(name, table):
    """All columns as texts, doubles as the shortest text that reads back."""
    chinook = sqlite3.connect(f"file:{data}/chinook/chinook.sqlite?mode=ro", uri=True)
    cursor = chinook.execute(f'select * from "{table}"')
    names = [column[0].lower() for column in cursor.description]
    rows = cursor.fetchall()
    chinook.close()
    texts = {column: pa.array([None if row[at] is None else str(row[at]) for row in rows], pa.string()) for at, column in enumerate(names)}
    db.register(name, pa.table(texts))


def rows(sql):
    cursor = db.execute(sql)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row)) for row in cursor.fetchall()]


def rounded(value, scale):
    """Half away from zero."""
    scaled = abs(value) * 10**scale
    whole = scaled.numerator // scaled.denominator
    if (scaled - whole) * 2 >= 1:
        whole += 1
    return Fraction(whole if value >= 0 else -whole, 10**scale)


def quotients(table, **wanted):
    """Makes `name=(dividend, divisor, scale)` of two exact columns, which are taken out if their names begin with `_`."""
    for row in table:
        for name, (dividend, divisor, scale) in wanted.items():
            known = row[dividend] is not None and row[divisor]
            row[name] = rounded(Fraction(row[dividend]) / Fraction(row[divisor]), scale) if known else None
        for name in [name for name in row if name.startswith("_")]:
            del row[name]
    return table


def plain(value):
    """Numbers by value, whatever their type."""
    return Fraction(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else value


def compare(table, key, want):
    """Every row and every column, both ways."""
    global failures
    domain, layer, name = table.replace("_", ".", 1).partition(".")[0], *table.partition("_")[2].split(".")
    got = DeltaTable(f"{lake}/{domain}/{layer}/{name}").to_pyarrow_table().to_pylist()
    bad = []
    by_key = []
    for who, side in (("karat", got), ("DuckDB", want)):
        keyed = {tuple(plain(row[column]) for column in key): row for row in side}
        if len(keyed) != len(side):
            bad.append(f"{who} has {len(side)} rows with {len(keyed)} keys")
        by_key.append(keyed)
    mine, theirs = by_key
    cells = 0
    for one in sorted(mine.keys() | theirs.keys(), key=str):
        shown = ", ".join(str(part) for part in one)
        if one not in mine or one not in theirs:
            bad.append(f"row {shown} is only in {'karat' if one in mine else 'DuckDB'}")
            continue
        for column in sorted(mine[one].keys() | theirs[one].keys()):
            cells += 1
            pair = mine[one].get(column, "no such column"), theirs[one].get(column, "no such column")
            if plain(pair[0]) != plain(pair[1]):
                bad.append(f"row {shown}, {column}: karat {pair[0]!r}, DuckDB {pair[1]!r}")
    for line in bad[:20]:
        print(f"{table}: {line}")
    print(f"{table}: {len(got)} rows, {cells} cells, {'all equal' if not bad else f'{len(bad)} differences'}")
    failures += len(bad)


# finance: the ledger's amounts are dumped doubles, whose shortest text has two decimals.
adventureworks("fact_finance", "dw/FactFinance.csv", "|")
adventureworks("dim_account", "dw/DimAccount.csv", "|")
adventureworks("dim_organization", "dw/DimOrganization.csv", "|")
db.execute(
    """create table entries as select cast(date[1:10] as date) as entry_date, cast(organizationkey as int) as organization_key,
    cast(scenariokey as int) as scenario_key, cast(accountkey as int) as account_key,
    cast(cast(cast(amount as double) as varchar) as decimal(18, 2)) as amount, cast(amount as double) as dumped from fact_finance"""
)
assert rows("select count(*) as n from entries where cast(amount as double) <> dumped") == [{"n": 0}], "an amount is not in cents"
balance = """select o.organizationname as organization, year(entry_date) as year, scenario_key, a.accounttype as account_type,
    count(*) as entries, sum(amount) as amount, min(amount) as least, max(amount) as most
    from entries join dim_account a on cast(a.accountkey as int) = account_key
    join dim_organization o on cast(o.organizationkey as int) = organization_key group by all"""
compare(
    "finance_gold.balance_by_type",
    ["organization", "year", "scenario_key", "account_type"],
    quotients(rows(balance), mean_amount=("amount", "entries", 8)),
)
running = rows(
    """select month, amount, sum(amount) over (order by month) as running from (
    select cast(date_trunc('month', entry_date) as date) as month, sum(amount) as amount from entries where scenario_key = 1 group by 1)"""
)
compare("finance_gold.running_balance", ["month"], running)

# rates: one row a day, N/A where there is no rate.
with_header("ecb", "ecb/eurofxref-hist.csv", "N/A")
rates = {c: f"cast({c} as decimal(18, 6))" for c in ("usd", "jpy", "chf")}
means = ", ".join(f"sum({text}) as _{name}, count({name}) as _{name}_days" for name, text in rates.items())
yearly = quotients(
    rows(
        f"""select cast(date[1:4] as int) as year, count(*) as days, {means}, min({rates["usd"]}) as usd_least,
        max({rates["usd"]}) as usd_most, count(hrk) as hrk_days from ecb group by year"""
    ),
    **{name: (f"_{name}", f"_{name}_days", 12) for name in rates},
)
compare("rates_gold.yearly", ["year"], yearly)

mean = {row["year"]: row["usd"] for row in yearly}
actuals = rows("select year(entry_date) as year, sum(amount) as usd from entries where scenario_key = 1 group by year")
for row in actuals:
    row["rate"] = mean[row["year"]]
compare("finance_gold.actuals_in_euro", ["year"], quotients(actuals, eur=("usd", "rate", 6)))

# production: prices as events become a history; the newest has no end.
adventureworks("product", "oltp/Product.csv", "\t")
adventureworks("list_price", "oltp/ProductListPriceHistory.csv", "\t")
records("product_model", "oltp/ProductModel.csv", "+|", "&|\n")
records("review", "oltp/ProductReview.csv", "\t", "\n")
db.execute(
    """create table history as select cast(productid as int) as product_id, cast(listprice as decimal(19, 4)) as list_price,
    cast(startdate as timestamp) as start_date, cast(enddate as timestamp) as end_date, cast(startdate as timestamp) as "__START_AT",
    lead(cast(startdate as timestamp)) over (partition by cast(productid as int) order by startdate) as "__END_AT" from list_price"""
)
compare("production_silver.list_prices", ["product_id", "__START_AT"], rows("select * from history"))
compare(
    "production_gold.price_today",
    ["product_id"],
    rows(
        """select product_id, p.name, m.name as model, list_price, start_date as since, prices from history
        join (select product_id, count(*) as prices from history group by all) using (product_id)
        join product p on cast(p.productid as int) = product_id left join product_model m on m.productmodelid = p.productmodelid
        where "__END_AT" is null"""
    ),
)
reviews = rows(
    """select cast(p.productid as int) as product_id, p.name, count(*) as reviews, sum(cast(rating as int)) as _ratings,
    max(cast(reviewdate[1:10] as date)) as newest, sum(length(comments)) as characters
    from review r join product p on p.productid = r.productid group by all"""
)
compare("production_gold.reviews_by_product", ["product_id"], quotients(reviews, rating=("_ratings", "reviews", 6)))

# music: declared NUMERIC(10,2), stored as doubles.
for name, table in (("invoice", "Invoice"), ("invoice_line", "InvoiceLine"), ("track", "Track"), ("genre", "Genre")):
    sqlite_table(name, table)
db.execute(
    """create table lines as select invoiceid, trackid, cast(unitprice as decimal(10, 2)) as price,
    cast(quantity as int) as quantity from invoice_line"""
)
genres = rows(
    """select g.name as genre, count(*) as lines, sum(price * quantity) as revenue, sum(price) as _prices
    from lines join track using (trackid) join genre g using (genreid) group by all"""
)
compare("music_gold.revenue_by_genre", ["genre"], quotients(genres, mean_price=("_prices", "lines", 8)))
compare(
    "music_gold.invoice_check",
    ["invoice_id"],
    rows(
        """select cast(invoiceid as int) as invoice_id, cast(total as decimal(10, 2)) as total, lines_total
        from invoice join (select invoiceid, sum(price * quantity) as lines_total from lines group by all) using (invoiceid)
        where cast(total as decimal(10, 2)) <> lines_total"""
    ),
)

# trade: headers, commas within quotes.
for name in ("categories", "products", "customers", "orders", "order_details"):
    with_header(name, f"northwind/{name}.csv", "")
db.execute(
    """create table order_lines as select order_id, product_id, cast(quantity as int) as quantity, cast(discount as decimal(4, 2)) as discount,
    cast(unit_price as decimal(10, 2)) * cast(quantity as int) * (1 - cast(discount as decimal(4, 2))) as revenue from order_details"""
)
compare(
    "trade_gold.revenue_by_country",
    ["country", "year"],
    rows(
        """select country, year(cast(order_date as date)) as year, count(*) as orders, sum(revenue) as revenue,
        sum(cast(freight as decimal(10, 2))) as freight, count(*) filter (where shipped_date > required_date) as late,
        count(*) filter (where shipped_date is null) as open from orders o join customers c using (customer_id)
        join (select order_id, sum(revenue) as revenue from order_lines group by all) using (order_id) group by all"""
    ),
)
categories = rows(
    """select category_name as category, description, count(distinct product_id) as products, sum(quantity) as pieces,
    sum(revenue) as revenue, sum(discount) as _discounts, count(*) as _lines from order_lines
    join products using (product_id) join categories using (category_id) group by all"""
)
compare("trade_gold.revenue_by_category", ["category"], quotients(categories, mean_discount=("_discounts", "_lines", 8)))

print("all cells agree" if failures == 0 else f"{failures} differences")
sys.stdout.flush()
# Threads of the native libraries may abort an interpreter that shuts down ("terminate called without an active exception").
os._exit(1 if failures else 0)
