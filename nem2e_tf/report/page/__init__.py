"""The HTML page of a report: data of its sections, templates, style and script."""
