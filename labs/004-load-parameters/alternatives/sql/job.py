"""The same in SQL: the subquery is combined before anything moves."""

ASKED = """
SELECT t.page, p.section, t.clicks, t.users, t.revenue, t.longest
FROM (
  SELECT split_part(url, '?', 1) AS page, count(*) AS clicks, count(DISTINCT clicks.user) AS users,
    sum(revenue) AS revenue, max(ms) AS longest
  FROM clicks GROUP BY 1
) t LEFT JOIN pages p ON t.page = p.page
"""


def transform(spark, clicks, pages):
    """Each page with its section, clicks, users, revenue and longest stay."""
    clicks.createOrReplaceTempView("clicks")
    pages.createOrReplaceTempView("pages")
    return spark.sql(ASKED)
