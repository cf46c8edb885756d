{% macro surrogate_key(columns) -%}
md5(
    {%- for column in columns -%}
        coalesce(cast({{ column }} as text), '\N'){% if not loop.last %} || '|' || {% endif %}
    {%- endfor -%}
)
{%- endmacro %}


{% macro version_key(natural_key, valid_from) -%}
{{ surrogate_key([natural_key, microseconds(valid_from)]) }}
{%- endmacro %}


{% macro unknown_key() -%}
cast('00000000000000000000000000000000' as text)
{%- endmacro %}


{% macro not_applicable_key() -%}
cast('00000000000000000000000000000001' as text)
{%- endmacro %}


{% macro or_unknown(key) -%}
coalesce({{ key }}, {{ unknown_key() }})
{%- endmacro %}
