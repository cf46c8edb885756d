select day, currency, revenue from {{ ref('daily_sales') }} where revenue <= 0
