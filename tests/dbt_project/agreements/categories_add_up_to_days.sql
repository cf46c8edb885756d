SELECT day.currency, day.amount, category.amount FROM
    (SELECT currency, sum(lines) AS lines, sum(amount) AS amount FROM retail_marts.daily_sales GROUP BY currency) AS day
FULL JOIN
    (SELECT currency, sum(lines) AS lines, sum(amount) AS amount FROM retail_marts.category_sales GROUP BY currency) AS category
    ON category.currency = day.currency
WHERE day.amount IS DISTINCT FROM category.amount OR day.lines IS DISTINCT FROM category.lines
