-- The tests take less time.
select * from {{ source('raw', 'lines') }} order by ordered_at limit 200
