-- What each country ordered, by year; freight is of the order, so it is summed apart from the lines.
select
  c.country,
  extract(year from o.ordered) as year,
  count(*) as orders,
  sum(l.revenue) as revenue,
  sum(o.freight) as freight,
  count(*) filter (where o.shipped > o.required) as late,
  count(*) filter (where o.shipped is null) as open
from trade_silver.orders o
join trade_silver.customers c on c.customer_id = o.customer_id
join (
  select order_id, sum(unit_price * quantity * (1 - discount)) as revenue
  from trade_silver.order_lines
  group by order_id
) l on l.order_id = o.order_id
group by c.country, extract(year from o.ordered)
