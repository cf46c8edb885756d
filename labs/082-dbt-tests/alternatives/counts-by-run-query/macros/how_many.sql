{% macro how_many(query) %}
{{ return(run_query("select count(*) from (" ~ query ~ ") as q").columns[0].values()[0] | int if execute else 0) }}
{% endmacro %}
