select area_id from {{ ref('int_area_pairs') }} where depth < 0
