{{ config(materialized='table') }}
select ordered_at::date as day, count(*) as lines, sum(amount) as revenue
from {{ ref('stg_lines') }}
where status = 'completed'
group by 1
