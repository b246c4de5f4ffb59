#!/usr/bin/env python3
"""Random life of the metric store, held against a model in memory.

usage: store_fuzz.py DSN SEED [STEPS]        (database: migrated, nothing in it but what other seeds left)

A seed makes tenants, classes and metrics of its own, then ingests, rolls up, packs, maintains and changes classes by a
clock of its own, in random order and in halves; every few steps it asks query_range, query_instant, latest_values and
samples_between and compares each answer with one computed here from what was sent. Stops at the first difference and
prints the question; the same seed asks it again. DESTRUCTIVE: moves the store's marks to its own clock.
"""
import math
import random
import struct
import sys
from datetime import datetime, timedelta, timezone

import psycopg
from psycopg.types.json import Jsonb

UTC = timezone.utc
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MONDAY = datetime(1970, 1, 5, tzinfo=UTC)


class Found(Exception):
    pass


def micros(at):
    d = at - EPOCH
    return (d.days * 86400 + d.seconds) * 1000000 + d.microseconds


def bits(x):
    return struct.pack(">d", x)


class Fuzz:
    def __init__(self, dsn, seed):
        self.r = random.Random(seed)
        self.seed = seed
        self.c = psycopg.connect(dsn, autocommit=True)
        self.now = datetime(2026, 3, 24, tzinfo=UTC) + timedelta(seconds=self.r.randrange(86400 * 5))
        self.c.execute("select set_config('timezone', %s, false)",
                       (self.r.choice(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]),))
        self.c.execute("set client_min_messages = error")
        self.data = {}   # (tenant, metric, labels-tuple) -> {micros: value}
        self.ids = {}
        self.log = []
        self.counts = {}

    def q(self, sql, *args):
        try:
            return self.c.execute(sql, args or None).fetchall()
        except psycopg.Error as e:
            raise Found(f"error {e.sqlstate} {e} in {sql} {args}")

    def setup(self):
        self.c.execute("truncate monitoring.samples, monitoring.late_samples, monitoring.sample_blocks, monitoring.time_vectors,"
                       " monitoring.rollups_1m, monitoring.rollups_5m, monitoring.rollups_1h, monitoring.rollups_1d, monitoring.series cascade")
        self.c.execute("truncate monitoring_internal.late_ranges, monitoring.packed_periods, monitoring_internal.rollup_starts")
        self.c.execute("delete from monitoring.metric_families where name like 'fz%'")
        self.c.execute("update monitoring_internal.packing_state set closed_until = '-infinity', packed_until = '-infinity', waits_for = null, next_series_id = 0")
        self.c.execute("update monitoring_internal.rollup_closing set closing_until = '-infinity', closed_until = '-infinity', waits_for = null")
        self.c.execute("update monitoring_internal.rollup_levels set watermark = '-infinity', building_until = null, next_series_id = 0")
        self.c.execute("update monitoring.partition_policies set released_until = null where table_name = 'monitoring.samples'")
        self.c.execute("update monitoring.partition_holds set covered_until = null where table_name in ('monitoring.samples','monitoring.rollups_1m','monitoring.rollups_5m','monitoring.rollups_1h')")
        for name, levels in (("fz_raw", (None,) * 4), ("fz_h", (None, None, "1000 days", None)), ("fz_d", (None, None, None, "1000 days")),
                             ("fz_hd", (None, None, "1000 days", "1000 days")), ("fz_md", ("1000 days", None, None, "1000 days")),
                             ("fz_5d", (None, "1000 days", None, "1000 days")), ("fz_all", ("1000 days",) * 4)):
            self.c.execute("insert into monitoring.retention_classes (name, raw_retention, rollup_1m, rollup_5m, rollup_1h, rollup_1d)"
                           " values (%s, '1000 days', %s, %s, %s, %s) on conflict (name) do update set raw_retention = excluded.raw_retention,"
                           " rollup_1m = excluded.rollup_1m, rollup_5m = excluded.rollup_5m, rollup_1h = excluded.rollup_1h, rollup_1d = excluded.rollup_1d",
                           (name, *levels))
        for s, v in (("store.max_past", "300days"), ("store.rollup_series", str(self.r.choice([1, 2, 3, 5, 2000]))),
                     ("store.pack_series", str(self.r.choice([1, 2, 7, 200]))),
                     ("store.pack_after", self.r.choice(["1day", "2days", "3days"])),
                     ("store.raw_grace", self.r.choice(["0", "1h"])),
                     ("store.rollup_delay", self.r.choice(["0", "1min", "10min"]))):
            self.c.execute("update monitoring.settings set value = %s where name = %s", (v, s))
        self.tenants = []
        for n in range(2):
            t = f"fz{n}"
            got = self.q("select tenant_id from monitoring.tenants where name = %s", t)
            self.tenants.append(got[0][0] if got else self.q("select monitoring.create_tenant(%s)", t)[0][0])
        self.classes = ["fz_raw", "fz_h", "fz_d", "fz_hd", "fz_md", "fz_5d", "fz_all"]
        self.metrics = {}
        for n in range(self.r.randrange(2, 5)):
            kind = self.r.choice(["gauge", "counter", "gauge", "unknown"])
            name = f"fz{self.seed % 100000}_{n}" + ("_total" if kind == "unknown" and self.r.random() < .5 else "")
            self.q("select monitoring_internal.register_families(%s)",
                   Jsonb([{"name": name, "kind": kind, "retention_class": self.r.choice(self.classes), "stale_after": self.r.choice(["5min", "1h", "3days", None])}]))
            self.metrics[name] = kind
            style = self.r.choice(["int", "dec", "float", "const", "wide", "runs", "zeros", "big", "neg"])
            for _ in range(self.r.randrange(1, 5)):
                labels = tuple(sorted({k: self.r.choice(v) for k, v in (
                    ("host", ["h1", "h2", "h3", "a|b", "x.y", "it's", 'q"o', "näme", "new\nline", "100%", "_", "\\"]),
                    ("dc", ["", "d1", "d2"]), ("z", ["", "(", "["])) }.items()))
                labels = tuple((k, v) for k, v in labels if v != "")
                t = self.r.choice(self.tenants)
                key = (t, name, labels)
                if key in self.data:
                    continue
                self.data[key] = {}
                self.ids[key] = (style, self.r.choice([30, 60, 60.5, 300, 777, 777, 3600]), self.r.random() * 60, [100.0])

    def value(self, key):
        style, _, _, state = self.ids[key]
        r = self.r
        if self.metrics[key[1]] in ("counter",) or key[1].endswith("_total"):
            state[0] = state[0] + r.randrange(100) if r.random() > .03 else float(r.randrange(10))
            return state[0]
        return float({
            "int": lambda: r.randrange(1000), "dec": lambda: r.randrange(100000) / 100, "float": lambda: r.gauss(0, 1) * 10 ** r.randrange(-3, 6),
            "const": lambda: 7.25 if r.random() > .002 else 8.0, "wide": lambda: r.choice([1, -1]) * 10 ** r.uniform(-20, 20),
            "runs": lambda: (state.__setitem__(0, float(r.randrange(5))) if r.random() < .05 else None) or state[0],
            "zeros": lambda: r.choice([0.0, -0.0, 0.0, 1.0]), "big": lambda: r.randrange(-2 ** 53, 2 ** 53), "neg": lambda: -abs(r.gauss(100, 50))}[style]())

    def ingest(self):
        r = self.r
        m, l, v, ts = [], [], [], []
        tenant = r.choice(self.tenants)
        keys = [k for k in self.data if k[0] == tenant]
        if not keys:
            return "none"
        mode = r.choice(["live", "live", "live", "late", "block", "dup", "edge"])
        hours = r.choice([.2, .5, 1, 3])
        for k in keys:
            if r.random() < .2:
                continue
            _, interval, phase, _ = self.ids[k]
            if mode == "live":
                start = self.now - timedelta(hours=hours)
                at = EPOCH + timedelta(seconds=math.ceil((micros(start) / 1e6 - phase) / interval) * interval + phase)
                while at < self.now:
                    if r.random() > .02:
                        jitter = timedelta(microseconds=r.randrange(1000000)) if interval == 777 else timedelta(0)
                        m.append(k[1]); l.append(k[2]); ts.append(at + jitter); v.append(self.value(k))
                    at += timedelta(seconds=interval)
            elif mode == "late":
                for _ in range(r.randrange(1, 6)):
                    m.append(k[1]); l.append(k[2]); v.append(self.value(k))
                    ts.append(self.now - timedelta(seconds=r.random() ** 2 * 86400 * 12))
            elif mode == "block":
                day = (self.now - timedelta(days=r.randrange(0, 9))).replace(hour=0, minute=0, second=0, microsecond=0)
                for n in range(r.randrange(1, 40)):
                    m.append(k[1]); l.append(k[2]); v.append(self.value(k)); ts.append(day + timedelta(seconds=n * r.choice([300, 3600])))
            elif mode == "dup" and self.data[k]:
                for at in r.sample(sorted(self.data[k]), min(5, len(self.data[k]))):
                    m.append(k[1]); l.append(k[2]); v.append(r.random()); ts.append(EPOCH + timedelta(microseconds=at))
            elif mode == "edge":
                day = (self.now - timedelta(days=r.randrange(0, 9))).replace(hour=0, minute=0, second=0, microsecond=0)
                for d in (-1, 0, 1):
                    m.append(k[1]); l.append(k[2]); v.append(self.value(k)); ts.append(day + timedelta(microseconds=d))
        for i in range(len(ts)):
            ts[i] = ts[i].replace(microsecond=ts[i].microsecond)
        latest = self.now + timedelta(minutes=10)
        ok = [t <= latest and t >= self.now - timedelta(days=300) for t in ts]
        order = list(range(len(ts)))
        r.shuffle(order)
        m, l, v, ts, ok = ([x[i] for i in order] for x in (m, l, v, ts, ok))
        want = [0, 0, 0]
        for a, b, c, d, e in zip(m, l, v, ts, ok):
            if not e:
                want[2] += 1
                continue
            points = self.data[(tenant, a, b)]
            if micros(d) in points:
                want[1] += 1
            else:
                points[micros(d)] = c
                want[0] += 1
        got = self.q("select accepted, duplicate, rejected from monitoring_internal.ingest_samples_at(%s::text[], %s::jsonb[], %s::float8[], %s::timestamptz[], %s, %s)",
                     m, [Jsonb(dict(x)) for x in l], v, ts, tenant, self.now)[0]
        if list(got) != want:
            raise Found(f"ingest {mode} said {got}, expected {want}")
        return f"{mode} {want}"

    def refresh(self):
        n = self.r.choice([1, 2, 5, 20, 10000])
        late = None
        for i in range(n):
            step = self.q("select (s).action, (s).late_until from monitoring_internal.refresh_next_rollup_at(8, %s, %s) as s", late, self.now)[0]
            if step[0] is None:
                return f"done {i}"
            late = step[1]
        return f"stopped {n}"

    def pack(self):
        n = self.r.choice([1, 3, 10, 10000])
        steps = {}
        for i in range(n):
            step = self.q("select monitoring_internal.pack_next_at(%s)", self.now)[0][0]
            if step is None:
                break
            steps[step] = steps.get(step, 0) + 1
        return str(steps)

    def maintain(self):
        try:
            self.c.execute("call monitoring_internal.maintain_partitions_at(%s)", (self.now,))
        except psycopg.Error as e:
            raise Found(f"maintain: {e}")
        return ""

    def reclass(self):
        if self.r.random() < .5:
            m = self.r.choice(list(self.metrics))
            cl = self.r.choice(self.classes)
            self.c.execute("update monitoring.metric_families set retention_class = %s where name = %s", (cl, m))
            return f"{m} {cl}"
        cl = self.r.choice(self.classes[1:])
        lv = self.r.choice(["rollup_1m", "rollup_5m", "rollup_1h", "rollup_1d"])
        self.c.execute(f"update monitoring.retention_classes set {lv} = case when {lv} is null then interval '1000 days' end where name = %s", (cl,))
        return f"{cl} {lv}"

    def clock(self):
        self.now += timedelta(seconds=self.r.choice([30, 600, 3600, 7200, 20000, 86400, 2 * 86400]) * self.r.random())
        return str(self.now)

    def cleanup(self):
        return str(self.q("select monitoring_internal.cleanup_old_metrics_at(%s)", self.now)[0][0])

    # -- questions ------------------------------------------------------------------------------------------------
    def bucket(self, at, step):
        if step < 0:
            t = EPOCH + timedelta(microseconds=at)
            months = (t.year * 12 + t.month - 1) // -step * -step
            return micros(datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC))
        s = round(step * 1e6)
        o = micros(MONDAY) if s % (604800 * 10 ** 6) == 0 else 0
        return (at - o) // s * s + o

    def ask(self):
        r = self.r
        metric = r.choice(list(self.metrics))
        kind = self.metrics[metric]
        step, step_text = r.choice([(10, "10 s"), (60, "1 min"), (300, "5 min"), (420, "7 min"), (900, "15 min"), (3600, "1 hour"), (5400, "90 min"),
                                    (21600, "6 hours"), (86400, "1 day"), (172800, "2 days"), (604800, "1 week"), (0, "1 month"), (0.25, "250 ms"),
                                    (0, "3 months")])
        if step == 0:
            step = -1 if step_text == "1 month" else -3
        known = [t for k in self.data if k[1] == metric for t in self.data[k]]
        start = self.now - timedelta(seconds=r.random() * 86400 * 10)
        if known and r.random() < .2:
            start = EPOCH + timedelta(microseconds=r.choice(known) + r.choice([0, 0, 1, -1]))
        if r.random() < .4:
            start = start.replace(minute=0, second=0, microsecond=0)
        if r.random() < .2:
            start = start.replace(hour=0)
        end = start + timedelta(seconds=r.choice([60, 3600, 3600, 86400, 86400 * 3, 86400 * 15]) * (1 if r.random() < .4 else r.random()) + .001)
        if r.random() < .3:
            end = end.replace(minute=0, second=0, microsecond=0)
        if end <= start:
            return "-"
        if step == .25:
            end = min(end, start + timedelta(minutes=5))
        agg = r.choice(["avg", "min", "max", "sum", "count", "stddev", "first", "last", "p50", "p95", "quantile(0.25)", "sum(avg)", "max(last)", "count(max)", "avg(p95)"]
                       + ([] if kind == "gauge" else ["rate", "increase", "max(rate)", "rate", "increase"]))
        by = r.choice([None, None, [], ["host"], ["dc", "nope"], ["host", "dc", "z"]])
        matchers, test = self.matchers()
        fill = r.choice(["none", "none", "null", "zero", "previous", "linear"])
        got = self.q("select tenant_id, labels, bucket_at, value from monitoring_internal.query_range_at(%s, %s, %s, %s, %s, %s, %s, %s, %s)",
                     metric, Jsonb(matchers), start, end, step_text, agg, by, fill, self.now)
        a, b = micros(start), micros(end)
        lookback = 3600 * 10 ** 6
        outer, inner = None, agg
        if "(" in agg and not agg.startswith("quantile"):
            outer, inner = agg[:-1].split("(")
        if inner in ("rate", "increase"):
            outer = outer or "sum"
        groups = {}
        sid = {row[1:4]: row[0] for row in []}
        for k in self.data:
            if k[1] != metric or not self.data[k] or not test(dict(k[2])):
                continue
            labels = dict(k[2]) if by is None else {x: dict(k[2])[x] for x in by if x in dict(k[2])}
            g = groups.setdefault((k[0], tuple(sorted(labels.items()))), [])
            g.append(k)
        want = {}
        for g, keys in groups.items():
            cells = {}
            for k in keys:
                series = sorted(self.data[k].items())
                prev = None
                for at, val in series:
                    if at >= b:
                        break
                    if at >= a:
                        unit = k if outer else None
                        cells.setdefault((self.bucket(at, step), unit), []).append((at, val, prev, self.series_id(k)))
                    if at >= a - lookback:
                        prev = (at, val)
            units = {}
            for (bk, unit), pts in cells.items():
                x = self.fold(inner, pts)
                if x is not None:
                    units.setdefault(bk, []).append(x)
            for bk, xs in units.items():
                want[(g[0], g[1], bk)] = self.outer(outer, xs)
        have = {}
        for t, lab, at, val in got:
            key = (t, tuple(sorted(lab.items())), micros(at.astimezone(UTC)))
            if key in have:
                raise Found(f"twice {key}")
            have[key] = val
        what = f"{metric} ({kind}) {matchers} [{start.isoformat()}, {end.isoformat()}) step {step_text} {agg} by {by} fill {fill} now {self.now.isoformat()}"
        if fill != "none":
            self.check_fill(want, have, a, b, step, fill, what)
        scale = {}
        for key in want:
            scale[key[:2]] = max(scale.get(key[:2], 0), abs(want[key]))
        for key in sorted(set(want) | (set(have) if fill == "none" else set()), key=str):
            w, h = want.get(key), have.get(key)
            if w is None or h is None or not self.close(inner, w, h, groups, key):
                raise Found(f"{what}\n  {key[0]} {key[1]} {EPOCH + timedelta(microseconds=key[2])}: got {h!r}, expected {w!r}")
        return f"{agg} {len(want)}"

    def check_fill(self, want, have, a, b, step, fill, what):
        grid = []
        at = self.bucket(a, step)
        while at < b:
            grid.append(at)
            if step < 0:
                t = EPOCH + timedelta(microseconds=at)
                mth = t.year * 12 + t.month - 1 - step
                at = micros(datetime(mth // 12, mth % 12 + 1, 1, tzinfo=UTC))
            else:
                at += round(step * 1e6)
        for g in {k[:2] for k in want}:
            before = None
            known = [x for x in grid if (g[0], g[1], x) in want]
            for x in grid:
                key = (g[0], g[1], x)
                if key not in have:
                    raise Found(f"{what}\n no row {key} {EPOCH + timedelta(microseconds=x)}: {sorted(((str(EPOCH + timedelta(microseconds=k[2])), v) for k, v in have.items() if k[:2] == g))} expected {sorted(((str(EPOCH + timedelta(microseconds=k[2])), v) for k, v in want.items() if k[:2] == g))}")
                if key in want:
                    before = x
                    continue
                e = None
                if x <= micros(self.now):
                    if fill == "zero":
                        e = 0
                    elif fill == "previous" and before is not None:
                        e = have[(g[0], g[1], before)]
                    elif fill == "linear" and before is not None and any(y > x for y in known):
                        y = min(y for y in known if y > x)
                        p, n = have[(g[0], g[1], before)], have[(g[0], g[1], y)]
                        if p is None or n is None:
                            raise Found(f"{what}\n null where there are samples {key}")
                        e = p + (n - p) * (x - before) / (y - before)
                h = have[key]
                if (e is None) != (h is None) or e is not None and abs(e - h) > 1e-6 * max(abs(e), abs(h), 1):
                    raise Found(f"{what}\n fill {key}: got {h}, expected {e}")
        extra = {k[:2] for k in have} - {k[:2] for k in want}
        if extra:
            raise Found(f"{what}\n groups without samples {extra}")

    def series_id(self, k):
        cache = self.__dict__.setdefault("sids", {})
        if k not in cache:
            got = self.q("select series_id from monitoring.series join monitoring.metric_families using (metric_family_id) where tenant_id = %s and name = %s and labels = %s",
                         k[0], k[1], Jsonb(dict(k[2])))
            cache[k] = got[0][0]
        return cache[k]

    def fold(self, inner, pts):
        vals = [p[1] for p in pts]
        if inner in ("rate", "increase"):
            steps = [(p[1] - p[2][1] if p[1] >= p[2][1] else max(p[1], 0), (p[0] - p[2][0]) / 1e6) for p in pts if p[2]]
            if not steps:
                return None
            return sum(s[0] for s in steps) / (sum(s[1] for s in steps) if inner == "rate" else 1)
        if inner in ("p50", "p95", "quantile(0.25)"):
            q = {"p50": .5, "p95": .95, "quantile(0.25)": .25}[inner]
            s = sorted(vals)
            rank = q * (len(s) - 1)
            lo, hi = s[math.floor(rank)], s[math.ceil(rank)]
            self.neighbours = getattr(self, "neighbours", {})
            x = lo + (hi - lo) * (rank - math.floor(rank))
            if lo * hi < 0 or (lo == 0) != (hi == 0):
                self.neighbours[x] = abs(lo) + abs(hi)
            return x
        return {"avg": lambda: math.fsum(vals) / len(vals), "min": lambda: min(vals), "max": lambda: max(vals), "sum": lambda: math.fsum(vals),
                "count": lambda: float(len(vals)),
                "stddev": lambda: math.sqrt(math.fsum((v - math.fsum(vals) / len(vals)) ** 2 for v in vals) / len(vals)),
                "first": lambda: min(pts, key=lambda p: (p[0], p[3]))[1], "last": lambda: min(pts, key=lambda p: (-p[0], p[3]))[1]}[inner]()

    def outer(self, outer, xs):
        if outer is None:
            return xs[0]
        return {"sum": math.fsum(xs), "max": max(xs), "min": min(xs), "count": float(len(xs)), "avg": math.fsum(xs) / len(xs)}[outer]

    def close(self, inner, w, h, groups, key):
        if w == h:
            return True
        most = max((abs(v) for k in groups[key[:2]] for v in self.data[k].values()), default=1)
        if inner in ("p50", "p95", "quantile(0.25)"):
            return abs(w - h) <= 0.01 * abs(w) + 1e-12 + self.neighbours.get(w, 0) * .01 + (0.01 * most if getattr(self, "loose", False) else 0) or len(groups[key[:2]]) > 1 and abs(w - h) <= .011 * most
        if inner == "stddev":
            return abs(w - h) <= 2e-7 * most
        if inner in ("min", "max", "first", "last", "count"):
            return False
        return abs(w - h) <= 1e-9 * max(abs(w), most)

    def matchers(self):
        r = self.r
        import re
        x = r.random()
        if x < .4:
            return {}, lambda l: True
        h = r.choice(["h1", "h2", "a|b", "x.y", "it's", 'q"o', "näme", "new\nline", "100%", "_", "\\", ""])
        if x < .5:
            return {"host": h}, lambda l: l.get("host", "") == h
        if x < .6:
            return {"host": {"ne": h}}, lambda l: l.get("host", "") != h
        if x < .7:
            d = r.choice(["", "d1"])
            return {"dc": {"in": [d, "d9"]}, "host": {"ne": "h1"}}, lambda l: l.get("dc", "") in (d, "d9") and l.get("host", "") != "h1"
        p = r.choice(["h.", "h[12]", "h1|h2", ".*", ".+", "x.y", r"x\.y", "h1|", "(h1|x).*", "n.me", ".*%", "_", ".", r"a\|b", r".*\n.*", "new.line", r"\\", "h-1|h.1"])
        neg = r.random() < .4
        label = r.choice(["host", "host", "dc", "nope"])
        rx = re.compile(f"^(?:{p})\\Z", re.S)
        return {label: {"nre" if neg else "re": p}}, lambda l: bool(rx.search(l.get(label, ""))) != neg

    def raw(self):
        r = self.r
        metric = r.choice(list(self.metrics))
        matchers, test = self.matchers()
        start = self.now - timedelta(seconds=r.random() * 86400 * 12)
        if r.random() < .3:
            start = start.replace(hour=0, minute=0, second=0, microsecond=0)
        end = start + timedelta(seconds=r.random() * r.choice([3600, 86400, 86400 * 14]) + 1)
        self.c.execute("set role monitoring_owner" if False else "select 1")
        got = self.q("select tenant_id, labels, sampled_at, value from monitoring.samples_between(%s, %s, %s, %s)", metric, Jsonb(matchers), start, end)
        have = sorted((str(t), tuple(sorted(l.items())), micros(a.astimezone(UTC)), bits(v)) for t, l, a, v in got)
        want = sorted((str(k[0]), k[2], at, bits(v)) for k in self.data if k[1] == metric and test(dict(k[2]))
                      for at, v in self.data[k].items() if micros(start) <= at < micros(end))
        if have != want:
            raise Found(f"samples_between {metric} {matchers} [{start}, {end}): {len(have)} rows, expected {len(want)}; "
                        f"only got {[x for x in have if x not in want][:3]}, missing {[x for x in want if x not in have][:3]}")
        return str(len(want))

    def instant(self):
        r = self.r
        metric = r.choice(list(self.metrics))
        matchers, test = self.matchers()
        stale = self.q("select coalesce(stale_after, '5min') from monitoring.metric_families where name = %s", metric)[0][0]
        known = [t for k in self.data if k[1] == metric for t in self.data[k]]
        at = self.now - timedelta(seconds=r.random() * r.choice([100, 3600, 86400 * 10]))
        if known and r.random() < .5:
            at = EPOCH + timedelta(microseconds=r.choice(known) + r.choice([0, 1, -1, 1000000]))
        use_now = r.random() < .2
        agg = r.choice(["last", "avg", "min", "max", "sum", "count", "p50"])
        by = r.choice([None, [], ["host"]])
        got = self.q("select tenant_id, labels, sampled_at, value from monitoring_internal.query_instant_at(%s, %s, %s, %s, %s, %s)",
                     metric, Jsonb(matchers), None if use_now else at, agg, by, self.now)
        a = micros(self.now if use_now else at)
        until = a + 600 * 10 ** 6 if use_now else a
        groups = {}
        for k in self.data:
            if k[1] != metric or not test(dict(k[2])):
                continue
            c = [(t, v) for t, v in self.data[k].items() if a - stale.total_seconds() * 1e6 < t <= until]
            if c:
                labels = dict(k[2]) if by is None else {x: dict(k[2])[x] for x in by if x in dict(k[2])}
                groups.setdefault((k[0], tuple(sorted(labels.items()))), []).append((*max(c), None, self.series_id(k)))
        have = {(t, tuple(sorted(l.items()))): (micros(s.astimezone(UTC)), v) for t, l, s, v in got}
        for g in set(groups) | set(have):
            w = (max(p[0] for p in groups[g]), self.fold(agg, groups[g])) if g in groups else None
            h = have.get(g)
            if w is None or h is None or w[0] != h[0] or abs(w[1] - h[1]) > 1e-9 * max(abs(w[1]), max(abs(p[1]) for p in groups[g])):
                raise Found(f"query_instant {metric} {matchers} at {'now' if use_now else at} {agg} by {by} now {self.now}: {g} got {h}, expected {w}")
        return str(len(groups))

    def run(self, steps):
        self.setup()
        kinds = [(self.ingest, 8), (self.refresh, 4), (self.pack, 3), (self.maintain, .5), (self.clock, 5), (self.reclass, .5), (self.cleanup, .2),
                 (self.ask, 20), (self.raw, 3), (self.instant, 3)]
        for n in range(steps):
            f = self.r.choices([k[0] for k in kinds], [k[1] for k in kinds])[0]
            try:
                said = f()
            except Found as e:
                print(f"SEED {self.seed} STEP {n} {f.__name__}: {e}")
                for line in self.log[-25:]:
                    if not line.split()[1] in ("ask", "raw", "instant"):
                        print("   ", line)
                return False
            self.counts[f.__name__] = self.counts.get(f.__name__, 0) + 1
            self.log.append(f"{n} {f.__name__} {said}")
        print(f"seed {self.seed}: {self.counts}, {sum(len(d) for d in self.data.values())} samples in {len(self.data)} series", flush=True)
        return True


if __name__ == "__main__":
    first, _, last = sys.argv[2].partition("-")
    bad = 0
    for s in range(int(first), int(last or first) + 1):
        bad += not Fuzz(sys.argv[1], s).run(int(sys.argv[3]) if len(sys.argv) > 3 else 400)
        sys.stdout.flush()
    sys.exit(bad > 0)
