"""The monitoring report: one set of sheets as values, written as a workbook, as CSV, as JSON, or into a template.

`material` gathers from the archive what a report says, `sheets` lays it out cell by cell without touching a file,
`workbook` (the home of XlsxWriter), `plain` and `template` write it. Every figure is computed in mrv.crediting; here it
is shown beside the formula that gives it again.
"""
