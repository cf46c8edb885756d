{% macro utc_day(moment) -%}
cast(({{ moment }} at time zone 'UTC') as date)
{%- endmacro %}


{% macro local_day(moment, time_zone) -%}
cast(({{ moment }} at time zone {{ time_zone }}) as date)
{%- endmacro %}


{% macro date_key(day) -%}
case
    when {{ day }} between {{ calendar_day('calendar_start') }} and {{ calendar_day('calendar_end') }}
        then cast(
            extract(year from {{ day }}) * 10000 + extract(month from {{ day }}) * 100 + extract(day from {{ day }}) as integer
        )
    else {{ unknown_date_key() }}
end
{%- endmacro %}


{% macro unknown_date_key() -%}
cast(-1 as integer)
{%- endmacro %}


{% macro calendar_day(name) -%}
cast('{{ var(name) }}' as date)
{%- endmacro %}


{% macro calendar() -%}
select cast(moment as date) as date_day
from generate_series(
    cast({{ calendar_day('calendar_start') }} as timestamp),
    cast({{ calendar_day('calendar_end') }} as timestamp),
    interval '1 day'
) as days (moment)
{%- endmacro %}


{% macro microseconds(moment) -%}
{{ return(adapter.dispatch('microseconds')(moment)) }}
{%- endmacro %}

{% macro default__microseconds(moment) -%}
cast(extract(epoch from {{ moment }}) * 1000000 as bigint)
{%- endmacro %}

{% macro duckdb__microseconds(moment) -%}
epoch_us({{ moment }})
{%- endmacro %}
