-- Rule 7. The sums are a model of their own, a table, which support reads as well.
select * from {{ ref('int_order_balance') }} where bought <> paid
