-- Rule 1: counted while dbt compiles.
select 1 where {{ how_many("select 1 from " ~ ref('stg_orders') ~ " where order_id is null") }} > 0
