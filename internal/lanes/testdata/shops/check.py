"""What a shop's history must come to, reckoned from its CSV files with nothing but Python's standard library.

    python3 check.py cdnow|grocery|gifts FILE...    orders, then returns

prints one JSON document: the cohort table, and totals. It shares no code with accrue, and is written from the rules
(docs/program.md) for the programs beside it only: a point for each whole unit, rounded down once an order; tiers by
spend with a rolling window, multipliers, reviews and grace; a campaign; a monthly cap; hold and expiry of points that
nobody spends. Points taken back by returns are not reckoned, but what returns do to revenue and to tiers is.
"""
import csv
import gzip
import json
import sys
from calendar import monthrange
from collections import defaultdict
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal, getcontext
from fractions import Fraction
from zoneinfo import ZoneInfo

getcontext().prec = 60
YEARLY_DISCOUNT = Decimal("0.10")

SHOPS = {
    "cdnow": {
        "zone": "America/New_York", "hold": 14, "live": 12, "end_of_month": True, "cap": 500,
        "campaign": (date(1997, 11, 1), date(1997, 12, 1), 2),
        "tiers": {"months": 12, "grace": 30, "one_down": True, "names": ["Listener", "Collector", "Connoisseur"],
                  "levels": [(0, Fraction(1)), (100_00, Fraction(5, 4)), (400_00, Fraction(3, 2))]},
    },
    "grocery": {"zone": "America/New_York", "hold": 7, "live": 6, "end_of_month": True},
    "gifts": {
        "zone": "Europe/London", "hold": 10, "live": 6, "end_of_month": False,
        "tiers": {"months": 6, "grace": 15, "one_down": False, "names": ["Paper", "Ribbon", "Bow"],
                  "levels": [(0, Fraction(1)), (500_00, Fraction(11, 10)), (2500_00, Fraction(5, 4))]},
    },
}


def cents(text):
    d = Decimal(text) * 100
    assert d == int(d), text
    return int(d)


def rows(path):
    with gzip.open(path, "rt", encoding="utf-8", newline="") as f:
        yield from csv.DictReader(f)


class Calendar:
    """Local time. Of a time that exists twice the first counts, one that is skipped moves on by the gap: fold=0."""

    def __init__(self, name):
        self.zone = ZoneInfo(name)

    def local(self, at):
        return at.astimezone(self.zone).replace(tzinfo=None)

    def utc(self, local):
        return local.replace(tzinfo=self.zone, fold=0).astimezone(timezone.utc)

    def months(self, at, n):
        w = self.local(at)
        y, m = divmod(w.year * 12 + w.month - 1 + n, 12)
        return self.utc(w.replace(year=y, month=m + 1, day=min(w.day, monthrange(y, m + 1)[1])))

    def days(self, at, n):
        return self.utc(self.local(at) + timedelta(days=n))

    def month_after(self, at):
        w = self.local(at)
        y, m = divmod(w.year * 12 + w.month, 12)
        return self.utc(datetime(y, m + 1, 1))

    def midnight(self, at):
        return self.utc(datetime.combine(self.local(at).date(), datetime.min.time()))


def read(shop, files, calendar):
    """Returns orders and returns as (at, rank, position in the file, customer, order, {line: amount})."""
    orders, returns, skipped = {}, {}, 0
    if shop == "cdnow":
        counts = defaultdict(int)
        for n, r in enumerate(rows(files[0])):
            at = calendar.utc(datetime.fromisoformat(r["date"]))
            counts[r["customer_id"], r["date"]] += 1
            key = (r["customer_id"], f'{r["date"]}-{counts[r["customer_id"], r["date"]]}')
            orders[key] = (at, 0, n, *key, {"1": cents(r["dollars"])})
        return list(orders.values()), [], 0
    for n, r in enumerate(rows(files[0])):
        at = datetime.fromisoformat(r["ordered_at"].replace("Z", "+00:00"))
        o = orders.setdefault((r["customer_id"], r["order_id"]), (at, 0, n, r["customer_id"], r["order_id"], {}))
        assert o[0] == at and r["line_no"] not in o[5]
        o[5][r["line_no"]] = cents(r["line_amount"])
    for path in files[1:]:
        for n, r in enumerate(rows(path)):
            if r["match"] == "none":
                skipped += 1
                continue
            at = datetime.fromisoformat(r["returned_at"].replace("Z", "+00:00"))
            key = (r["customer_id"], r["return_id"], r["order_id"])
            e = returns.setdefault(key, (at, 1, n, r["customer_id"], r["order_id"], defaultdict(int)))
            assert e[0] == at
            e[5][r["order_line_no"]] += cents(r["line_amount"])
    return list(orders.values()), list(returns.values()), skipped


class Tier:
    """One customer's tier. spent lists [at, amount] of orders; returns lower the amounts."""

    def __init__(self, rules, calendar, began):
        self.rules, self.calendar, self.level, self.grace_end = rules, calendar, 0, None
        self.spent, self.review = [], calendar.month_after(began)

    def qualifying(self, at):
        since = self.calendar.months(at, -self.rules["months"])
        return sum(amount for when, amount in self.spent if since < when <= at)

    def earned(self, at):
        have = self.qualifying(at)
        return max(i for i, (least, _) in enumerate(self.rules["levels"]) if have >= least)

    def catch_up(self, to):
        """Does the reviews and ends of grace that are due by the tick at to."""
        while True:
            if self.grace_end is not None and self.grace_end <= min(to, self.review):
                earned = self.earned(self.grace_end)
                if earned < self.level:
                    self.level = self.level - 1 if self.rules["one_down"] else earned
                self.grace_end = None
            elif self.review <= to:
                if self.grace_end is None and self.earned(self.review) < self.level:
                    self.grace_end = self.calendar.days(self.review, self.rules["grace"])
                self.review = self.calendar.month_after(self.review)
            else:
                return

    def upgrade(self, at):
        earned = self.earned(at)
        if earned > self.level:
            self.level, self.grace_end = earned, None

    def multiplier(self):
        return self.rules["levels"][self.level][1]


def main(shop, files):
    rules = SHOPS[shop]
    calendar = Calendar(rules["zone"])
    orders, returns, skipped = read(shop, files, calendar)
    events = sorted(orders + returns, key=lambda e: e[:3])
    clock = calendar.midnight(events[-1][0])
    if calendar.midnight(events[0][0]) == clock:
        clock = None

    month = lambda at: (lambda w: w.year * 12 + w.month - 1)(calendar.local(at))
    cells = defaultdict(lambda: {"orders": 0, "revenue_minor": 0, "refunds_minor": 0, "points": 0})
    first, tiers, capped, left, spent = {}, {}, defaultdict(int), {}, {}
    totals = {"issued": 0, "expired": 0, "pending": 0, "active": 0}
    plain = 0
    for at, rank, _, customer, order, lines in events:
        cell = cells[customer, month(at)]
        tier = tiers.get(customer)
        if tier:
            tier.catch_up(calendar.midnight(at))
        if rank == 1:
            refund = 0
            for line, amount in lines.items():
                amount = min(amount, left[customer, order][line])
                left[customer, order][line] -= amount
                refund += amount
            cell["refunds_minor"] += refund
            if tier:
                spent[customer, order][1] -= refund
            continue
        amount = sum(lines.values())
        left[customer, order] = dict(lines)
        first.setdefault(customer, month(at))
        cell["orders"] += 1
        cell["revenue_minor"] += amount
        plain += amount // 100
        exact = Fraction(amount, 100)
        if "tiers" in rules:
            if not tier:
                tier = tiers[customer] = Tier(rules["tiers"], calendar, at)
            exact *= tier.multiplier()
        if "campaign" in rules:
            since, until, times = rules["campaign"]
            if since <= calendar.local(at).date() < until:
                exact *= times
        points = exact.numerator // exact.denominator
        if "cap" in rules:
            points = min(points, rules["cap"] - capped[customer, month(at)])
            capped[customer, month(at)] += points
        if tier:
            spent[customer, order] = [at, amount]
            tier.spent.append(spent[customer, order])
            tier.upgrade(at)
        cell["points"] += points
        totals["issued"] += points
        active_at = calendar.days(at, rules["hold"])
        expires_at = calendar.months(active_at, rules["live"])
        if rules["end_of_month"]:
            expires_at = calendar.month_after(expires_at)
        where = "pending" if active_at > clock else "expired" if expires_at <= clock else "active"
        totals[where] += points

    held = defaultdict(int)
    for tier in tiers.values():
        tier.catch_up(clock)
        held[rules["tiers"]["names"][tier.level]] += 1

    print(json.dumps({
        "customers": len(first), "orders": len(orders), "revenue_minor": sum(sum(o[5].values()) for o in orders),
        "returns": len(returns), "returned_minor": sum(sum(r[5].values()) for r in returns), "skipped": skipped,
        "points_plain": plain, "totals": totals, "tiers": held, "timezone": rules["zone"], "cohorts": cohorts(cells, first),
    }))


def cohorts(cells, first):
    last = max(m for (_, m), c in cells.items() if c["orders"])
    table = {}
    for customer, began in first.items():
        row = table.setdefault(began, {"customers": 0, "months": [
            {"since": n, "active": 0, "orders": 0, "revenue_minor": 0, "refunds_minor": 0, "points": 0} for n in range(last - began + 1)]})
        row["customers"] += 1
    for (customer, m), cell in cells.items():
        into = table[first[customer]]["months"][m - first[customer]]
        into["active"] += cell["orders"] > 0
        for name, value in cell.items():
            into[name] += value
    out = []
    for began in sorted(table):
        row, sum_plain, sum_discounted = table[began], 0, Decimal(0)
        for m in row["months"]:
            net = m["revenue_minor"] - m["refunds_minor"]
            sum_plain += net
            sum_discounted += net / (1 + YEARLY_DISCOUNT) ** (Decimal(m["since"]) / 12)
            m["ltv_minor"] = float(Decimal(sum_plain) / row["customers"])
            m["ltv_discounted_minor"] = float(sum_discounted / row["customers"])
            m["points_redeemed"] = 0
        out.append({"month": f"{began // 12:04d}-{began % 12 + 1:02d}", **row})
    return out


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
