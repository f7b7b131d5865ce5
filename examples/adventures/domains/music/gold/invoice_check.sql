-- Invoices whose total is not the sum of their lines.
select i.invoice_id, i.total, l.lines_total
from music_silver.invoices i
join (
  select invoice_id, sum(unit_price * quantity) as lines_total
  from music_silver.invoice_lines
  group by invoice_id
) l on l.invoice_id = i.invoice_id
where i.total <> l.lines_total
