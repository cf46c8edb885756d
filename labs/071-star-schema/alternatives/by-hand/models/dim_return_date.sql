{{ config(materialized='view') }}
select date_key as return_date_key, date_day as return_day, year as return_year, month as return_month from {{ ref('dim_date') }}
