"""Recomputes the gold tables of examples/adventures with DuckDB, from the published files alone, and compares every cell.

Usage: adventures.py LAKE DATA. Exit 0 if all cells agree; DuckDB keeps decimals in sums, so sums are compared to the last digit.
Averages are recomputed with Python's fractions, rounded half away from zero.
"""

import csv
import sys
from decimal import Decimal, getcontext
from fractions import Fraction

import duckdb
import pyarrow as pa
from deltalake import DeltaTable

getcontext().prec = 60
lake, data = sys.argv[1], sys.argv[2]
failures = 0


def columns_of(file):
    with open(f"{data}/adventureworks/columns.csv", newline="") as handle:
        return [row[2] for row in csv.reader(handle) if row[0] == file]


def raw(name, file, delimiter):
    names = "[" + ", ".join(f"'{column.lower()}'" for column in columns_of(file)) + "]"
    db.execute(
        f"create table {name} as select * from read_csv('{data}/adventureworks/{file}', delim='{delimiter}', header=false, "
        f"quote='', escape='', all_varchar=true, names={names}, nullstr='')"
    )


def plus_separated(file):
    """Records of fields that end in `+|` and rows that end in `&|` and a newline."""
    text = open(f"{data}/adventureworks/{file}", encoding="utf-8-sig").read()
    return [record.split("+|") for record in text.split("&|\n") if record]


def rounded(value, scale):
    """Half away from zero."""
    sign = -1 if value < 0 else 1
    scaled = abs(value) * 10**scale
    whole = scaled.numerator // scaled.denominator
    if (scaled - whole) * 2 >= 1:
        whole += 1
    return Decimal(sign * whole).scaleb(-scale)


def average(total, count, scale):
    return rounded(Fraction(total) / count, scale)


def gold(domain, table):
    return DeltaTable(f"{lake}/{domain}/gold/{table}").to_pyarrow_table().to_pylist()


def plain(value):
    if isinstance(value, Decimal):
        return value.normalize()
    return value


def compare(name, key, got, want):
    global failures
    by_key = lambda rows: {tuple(row[column] for column in key): row for row in rows}
    got, want = by_key(got), by_key(want)
    bad = 0
    for one in sorted(set(got) | set(want), key=str):
        if one not in got or one not in want:
            bad += 1
            print(f"{name}: row {one} only in {'karat' if one in got else 'DuckDB'}")
            continue
        for column, value in want[one].items():
            if plain(got[one][column]) != plain(value):
                bad += 1
                print(f"{name} {one} {column}: karat {got[one][column]!r}, DuckDB {value!r}")
    cells = sum(len(row) for row in want.values())
    print(f"{name}: {len(want)} rows, {cells} cells, {bad} differ")
    failures += bad + (0 if want else 1)


db = duckdb.connect()
rows = lambda sql: [dict(zip([c[0] for c in db.description], row)) for row in db.execute(sql).fetchall()]

raw("fact_finance", "dw/FactFinance.csv", "|")
raw("dim_account", "dw/DimAccount.csv", "|")
raw("dim_organization", "dw/DimOrganization.csv", "|")
# The shortest text of each dumped double is a value in cents: Python's repr is that text.
entries = []
for key, day, organization, scenario, account, amount in db.execute(
    "select financekey, date[1:10], organizationkey, scenariokey, accountkey, amount from fact_finance"
).fetchall():
    entries.append((int(key), day, int(organization), int(scenario), int(account), Decimal(repr(float(amount))).quantize(Decimal("0.01"))))
table = pa.table(
    {
        "finance_key": [row[0] for row in entries],
        "entry_date": [row[1] for row in entries],
        "organization_key": [row[2] for row in entries],
        "scenario_key": [row[3] for row in entries],
        "account_key": [row[4] for row in entries],
        "amount": pa.array([row[5] for row in entries], pa.decimal128(18, 2)),
    }
)
db.register("entries", table)
balance = rows(
    """select o.organizationname as organization, year(cast(entry_date as date)) as year, scenario_key,
    a.accounttype as account_type, count(*) as entries, sum(amount) as amount, min(amount) as least, max(amount) as most
    from entries e join dim_account a on cast(a.accountkey as int) = e.account_key
    join dim_organization o on cast(o.organizationkey as int) = e.organization_key group by all"""
)
for row in balance:
    row["mean_amount"] = average(row["amount"], row["entries"], 8)
compare("finance_gold.balance_by_type", ["organization", "year", "scenario_key", "account_type"], gold("finance", "balance_by_type"), balance)
compare(
    "finance_gold.running_balance",
    ["month"],
    [{**row, "month": str(row["month"])[:10]} for row in gold("finance", "running_balance")],
    rows(
        """select cast(month as varchar)[1:10] as month, amount, sum(amount) over (order by month) as running from (
        select date_trunc('month', cast(entry_date as date)) as month, sum(amount) as amount from entries where scenario_key = 1 group by 1)"""
    ),
)

raw("product", "oltp/Product.csv", "\t")
raw("list_price", "oltp/ProductListPriceHistory.csv", "\t")
models = {int(record[0]): record[1] for record in plus_separated("oltp/ProductModel.csv")}
history = {}
for product, start, price in db.execute("select cast(productid as int), startdate, listprice from list_price order by 1, 2").fetchall():
    ranges = history.setdefault(product, [])
    price = Decimal(price)
    # An event that changes nothing but its date opens no range; end_date is tracked too, so each event does.
    ranges.append((start, price))
products = {
    row[0]: row[1:] for row in db.execute("select cast(productid as int), name, productmodelid from product").fetchall()
}
want = []
for product, ranges in history.items():
    name, model = products[product]
    start, price = ranges[-1]
    want.append(
        {
            "product_id": product,
            "name": name,
            "model": models.get(int(model)) if model else None,
            "list_price": price,
            "since": start[:19],
            "prices": 1,
        }
    )
compare(
    "production_gold.price_today",
    ["product_id"],
    [{**row, "since": str(row["since"])[:19]} for row in gold("production", "price_today")],
    want,
)
events = db.execute("select count(*) from list_price").fetchone()[0]
ranges = DeltaTable(f"{lake}/production/silver/list_prices").to_pyarrow_table().num_rows
print(f"production_silver.list_prices: {events} events, {ranges} ranges")
failures += events != ranges

import sqlite3

chinook = sqlite3.connect(f"file:{data}/chinook/chinook.sqlite?mode=ro", uri=True)
cents = lambda value: Decimal(repr(float(value))).quantize(Decimal("0.01"))
genres = {}
for genre, price, quantity in chinook.execute(
    "select g.Name, l.UnitPrice, l.Quantity from InvoiceLine l join Track t using (TrackId) join Genre g using (GenreId)"
):
    entry = genres.setdefault(genre, [0, Decimal(0), Decimal(0)])
    entry[0] += 1
    entry[1] += cents(price) * quantity
    entry[2] += cents(price)
compare(
    "music_gold.revenue_by_genre",
    ["genre"],
    gold("music", "revenue_by_genre"),
    [
        {"genre": genre, "lines": lines, "revenue": revenue, "mean_price": average(prices, lines, 8)}
        for genre, (lines, revenue, prices) in genres.items()
    ],
)
differing = {}
totals = {}
for invoice, price, quantity in chinook.execute("select InvoiceId, UnitPrice, Quantity from InvoiceLine"):
    totals[invoice] = totals.get(invoice, Decimal(0)) + cents(price) * quantity
for invoice, total in chinook.execute("select InvoiceId, Total from Invoice"):
    if cents(total) != totals[invoice]:
        differing[invoice] = totals[invoice]
found = {row["invoice_id"] for row in gold("music", "invoice_check")}
print(f"music_gold.invoice_check: {len(found)} invoices differ from their lines")
failures += found != set(differing)

import glob

with open(glob.glob(f"{data}/ecb/*.csv")[0], newline="") as handle:
    rates = list(csv.DictReader(handle))
years = {}
for rate in rates:
    years.setdefault(int(rate["Date"][:4]), []).append(rate)
value = lambda rate, currency: None if rate[currency] == "N/A" else Decimal(rate[currency])
want = []
for year, days in years.items():
    series = lambda currency: [value(day, currency) for day in days if value(day, currency) is not None]
    want.append(
        {
            "year": year,
            "days": len(days),
            "usd": average(sum(series("USD")), len(series("USD")), 12),
            "usd_least": min(series("USD")),
            "usd_most": max(series("USD")),
            "jpy": average(sum(series("JPY")), len(series("JPY")), 12),
            "chf": average(sum(series("CHF")), len(series("CHF")), 12),
            "hrk_days": len(series("HRK")),
        }
    )
compare("rates_gold.yearly", ["year"], gold("rates", "yearly"), want)

print("all cells agree" if failures == 0 else f"{failures} differences")
sys.exit(1 if failures else 0)
