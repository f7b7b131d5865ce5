-- What was booked, by day and currency.
select
    book_date,
    currency,
    count(*)    as entries,
    sum(amount) as balance
from ledger_silver.entries
group by book_date, currency
