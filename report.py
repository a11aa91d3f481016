"""Write the report of a sweep: one page that opens anywhere, a table and a picture.

python report.py logs/<sweep>                 report.html, report.csv, report.png in its folder
python report.py logs/<sweep> --out FOLDER    elsewhere

The page shows curves over the exact ladder, a table of settings and what went wrong. In a notebook,
`lossladder.results("logs/<sweep>")` gives the same runs as a pandas data frame.
"""

try:
    from lossladder.cli.report import main
except ModuleNotFoundError as missing:
    raise SystemExit(
        f"lossladder: this Python has no {missing.name}: `make env` builds .venv, which has all; "
        "then .venv/bin/python report.py"
    ) from None

if __name__ == "__main__":
    main()
