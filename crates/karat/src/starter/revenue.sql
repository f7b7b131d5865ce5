-- Orders and revenue by country.
select country, count(*) as orders, sum(amount) as revenue
from shop_silver.orders
group by country
