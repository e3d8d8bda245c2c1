"""A local order book of Binance USD-M, kept the way the venue documents it, for judging others:
buffer the diffs, fetch a snapshot, drop what is older, join, then follow the chain by `pu`."""


class Broken(Exception):
    """The chain does not hold, or the snapshot is too old."""


class Book:
    def __init__(self):
        self.bids, self.asks = {}, {}
        self.last_id = None
        self.joined = False
        self.applied = 0

    def snapshot(self, body):
        self.bids = {p: q for p, q in body["bids"]}
        self.asks = {p: q for p, q in body["asks"]}
        self.last_id, self.joined = body["lastUpdateId"], False

    def diff(self, e):
        """True when it was applied, False when it is older than the snapshot."""
        if not self.joined:
            if e["u"] < self.last_id:
                return False
            if not (e["U"] <= self.last_id <= e["u"] or e["pu"] == self.last_id):
                raise Broken(f"snapshot {self.last_id} is older than {e['U']}..{e['u']} (pu {e['pu']})")
        elif e["pu"] != self.last_id:
            raise Broken(f"pu {e['pu']} does not follow {self.last_id}")
        for side, levels in ((self.bids, e["b"]), (self.asks, e["a"])):
            for price, qty in levels:
                if float(qty) == 0:
                    side.pop(price, None)
                else:
                    side[price] = qty
        self.last_id, self.joined = e["u"], True
        self.applied += 1
        return True

    def best(self):
        bid = max(self.bids, key=float, default=None)
        ask = min(self.asks, key=float, default=None)
        return (bid, self.bids.get(bid)), (ask, self.asks.get(ask))

    def top(self, n):
        bids = sorted(self.bids.items(), key=lambda x: -float(x[0]))[:n]
        asks = sorted(self.asks.items(), key=lambda x: float(x[0]))[:n]
        return [list(x) for x in bids], [list(x) for x in asks]
