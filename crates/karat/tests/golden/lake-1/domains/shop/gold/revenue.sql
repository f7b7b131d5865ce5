select
    c.name,
    count(*) as orders,
    sum(o.pieces * p.price) as revenue,
    avg(p.price) as mean_price
from shop_silver.orders o
join shop_silver.prices p on o.item = p.item
join shop_silver.customers c on o.customer = c.id
group by c.name
