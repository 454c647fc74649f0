"""Cohorts of a shop's purchases, straight from the CSV: the other opinion on `accrue report cohorts`.

usage: python3 cohorts.py FILE.csv.gz   (columns customer_id,date,cds,dollars; dates are local)
"""

import csv
import gzip
import json
import sys

orders = {}  # customer -> list of (month number, cents)
with gzip.open(sys.argv[1], "rt", encoding="utf-8", newline="") as f:
    for row in csv.DictReader(f):
        year, month, _ = row["date"].split("-")
        whole, _, fraction = row["dollars"].partition(".")
        cents = int(whole) * 100 + int((fraction + "00")[:2])
        orders.setdefault(row["customer_id"], []).append((int(year) * 12 + int(month) - 1, cents))

last = max(m for list_ in orders.values() for m, _ in list_)
cohorts = {}
for customer, list_ in orders.items():
    first = min(m for m, _ in list_)
    cohort = cohorts.setdefault(first, {"customers": 0, "months": [
        {"since": n, "active": set(), "orders": 0, "revenue_minor": 0} for n in range(last - first + 1)]})
    cohort["customers"] += 1
    for m, cents in list_:
        cell = cohort["months"][m - first]
        cell["active"].add(customer)
        cell["orders"] += 1
        cell["revenue_minor"] += cents

table = []
for first in sorted(cohorts):
    cohort = cohorts[first]
    for cell in cohort["months"]:
        cell["active"] = len(cell["active"])
    table.append({"month": "%04d-%02d" % (first // 12, first % 12 + 1), **cohort})
json.dump(table, sys.stdout)
