-- The snapshot remembers all that the nights have shown; a product that has left keeps its last row.
{{ config(materialized='view') }}

with history as (

    select *, lag(category) over (partition by product_id order by dbt_valid_from) as category_before
    from {{ ref('product_history') }}

),

changes as (

    select distinct on (product_id) product_id, category_before
    from history
    where category_before <> category
    order by product_id, dbt_valid_from desc

)

select
    history.product_id,
    history.name as product_name,
    history.price,
    history.category,
    changes.category_before as previous_category
from history
left join changes on changes.product_id = history.product_id
where history.dbt_valid_to is null
