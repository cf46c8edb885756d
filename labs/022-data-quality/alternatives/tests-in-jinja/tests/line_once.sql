-- Asked in Jinja, so that the log says how many.
{% set doubled = [] %}
{% if execute %}
    {% set found = run_query("select line_id from " ~ source('raw', 'lines') ~ " group by line_id having count(*) > 1") %}
    {% set doubled = found.columns[0].values() %}
    {{ log(doubled | length ~ " lines are there more than once") }}
{% endif %}
{% for line in doubled %}
select {{ line }} as line_id {% if not loop.last %}union all{% endif %}
{% else %}
select 1 as line_id where false
{% endfor %}
