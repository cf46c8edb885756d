select day, country, orders, revenue from etl.daily_revenue
