-- One row a day and currency: how much of it one euro buys. Source: European Central Bank.
select rate_date, 'EUR' as currency, cast(1 as decimal(18, 6)) as rate from rates_silver.reference
union all
select rate_date, 'USD' as currency, usd as rate from rates_silver.reference where usd is not null
union all
select rate_date, 'JPY' as currency, jpy as rate from rates_silver.reference where jpy is not null
union all
select rate_date, 'GBP' as currency, gbp as rate from rates_silver.reference where gbp is not null
union all
select rate_date, 'CHF' as currency, chf as rate from rates_silver.reference where chf is not null
union all
select rate_date, 'SEK' as currency, sek as rate from rates_silver.reference where sek is not null
union all
select rate_date, 'NOK' as currency, nok as rate from rates_silver.reference where nok is not null
union all
select rate_date, 'PLN' as currency, pln as rate from rates_silver.reference where pln is not null
