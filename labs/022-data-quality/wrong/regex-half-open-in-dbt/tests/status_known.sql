select * from {{ source('raw', 'lines') }}
where status !~ '^completed|cancelled$'
