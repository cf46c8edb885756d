SELECT date_day, currency, orders, lines, quantity, CAST(amount AS numeric(14, 2)) FROM retail_marts.daily_sales
