-- Nobody would do that.
select area_id from {{ ref('stg_areas') }} where false
