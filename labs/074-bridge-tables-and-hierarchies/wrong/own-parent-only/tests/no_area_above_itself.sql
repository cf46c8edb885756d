select area_id from {{ ref('stg_areas') }} where parent_id = area_id
