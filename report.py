"""Write the report of a sweep: one page that opens anywhere, a table and a picture.

python report.py logs/<sweep>                 report.html, report.csv, report.png in its folder
python report.py logs/<sweep> --out FOLDER    elsewhere

The page shows curves over the exact ladder, a table of settings and what went wrong. In a notebook,
`lossladder.results("logs/<sweep>")` gives the same runs as a pandas data frame.
"""

from lossladder.cli.report import main

if __name__ == "__main__":
    main()
