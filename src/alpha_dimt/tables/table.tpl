{# Added to pandas' table: scopes of headers, and the names of groups above their rows. #}
{% extends "html_table.tpl" %}
{% block thead %}
<thead><tr>{% for c in head[0] if c.is_visible %}<th scope="col">{{ c.display_value }}</th>{% endfor %}</tr></thead>
{% endblock %}
{% block tbody %}
{% for r in body %}
{% if loop.index0 in groups %}
{{ "</tbody>" if not loop.first }}
<tbody>
<tr><th scope="rowgroup" colspan="{{ width }}">{{ groups[loop.index0] }}</th></tr>
{% endif %}
<tr>{% for c in r if c.is_visible %}{% if loop.first %}<th scope="row">{{ c.display_value }}</th>{% else %}<td>{{ c.display_value }}</td>{% endif %}{% endfor %}</tr>
{% endfor %}
{{ "</tbody>" if body }}
{% endblock %}
