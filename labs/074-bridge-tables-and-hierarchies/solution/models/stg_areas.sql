-- A view, so that tests can look at the areas before anything is made of them.
{{ config(materialized='view') }}

select area_id, parent_id, name as area_name
from {{ source('raw', 'areas') }}
