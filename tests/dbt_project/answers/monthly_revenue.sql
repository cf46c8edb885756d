SELECT month_start, CAST(gross_euro AS numeric(14, 2)) FROM retail_marts.monthly_revenue
