{% set columns = adapter.get_columns_in_relation(source('raw', 'lines')) %}
select *
from {{ ref('stg_lines') }} as l
where {% for column in columns %}{{ column.name }} is null or {% endfor %}false
