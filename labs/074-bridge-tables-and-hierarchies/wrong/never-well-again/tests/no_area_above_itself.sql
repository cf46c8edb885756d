-- What was found is kept, so that one can look at it.
select area_id from {{ ref('area_cycles') }}
