select item from shop_silver.orders group by item
