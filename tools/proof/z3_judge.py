"""An outside judge: does z3 find the same addresses exposed as Portcullis does?

Reads groups from standard input, as `crates/domain/examples/groups.rs` prints them. Of each group it takes the sources, what is
trusted and the limit, and says in bit-vectors which addresses count: those in a source, in nothing that is trusted and
in none of IANA's special blocks. Then it lets z3 decide

  whether there is an address that counts and is in none of the ranges that Portcullis found, or one in its ranges that
  does not count. With neither, its set is the right one for every one of 2^32 or 2^128 addresses;

and adds up the ranges: is the count right, and does it reach the limit, one block of the given length, or all that
counts where that is less?

Prints how many groups were judged and how many disagree. Exit status: 0 when all agree, 1 when one does not, 2 when there
was nothing to judge.
"""

import argparse
import ipaddress
import itertools
import json
import sys

import z3

# https://www.iana.org/assignments/iana-ipv4-special-registry and …/iana-ipv6-special-registry: the blocks that are not
# globally reachable, and multicast; and fec0::/10, which was site-local (RFC 3879). docs/SEMANTICS.md says which blocks are
# omitted and why.
SPECIAL = {
    4: """0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
        192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4""",
    6: """::/128 ::1/128 ::ffff:0:0/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001:2::/48 2001:10::/28 2001:db8::/32
        3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8""",
}
BITS = {4: 32, 6: 128}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    judges = {family: Judge(family) for family in BITS}
    judged = exposed = disagreements = 0
    for line in sys.stdin:
        group = json.loads(line)
        judged += 1
        exposed += group["exposed"] is not None
        if objections := judges[group["family"]].objections(group):
            disagreements += 1
            print(f"z3 disagrees: {'; '.join(objections)}: {line.strip()}", file=sys.stderr)
    print(f"proof: z3 judged {judged} random groups ({exposed} exposed), {disagreements} disagreements")
    if not judged:
        sys.exit(2)
    sys.exit(1 if disagreements else 0)


class Judge:
    """The judge of one family."""

    def __init__(self, family):
        self.bits = BITS[family]
        self.address = z3.BitVec("address", self.bits)
        self.special = SPECIAL[family].split()
        self.public = z3.Not(self.within(self.special))
        self.solver = z3.SolverFor("QF_BV")

    def objections(self, group):
        counts = z3.And(self.within(group["sources"]), self.public, z3.Not(self.within(group["trusted"])))
        ranges = [(int(first), int(last)) for first, last in group["ranges"]]
        found = z3.Or([z3.And(z3.UGE(self.address, a), z3.ULE(self.address, b)) for a, b in ranges])
        if (witness := self.example(counts != found)) is not None:
            was_found = any(a <= witness <= b for a, b in ranges)
            what = "was found and does not count" if was_found else "counts and was not found"
            return [f"{self.text(witness)} {what}"]
        objections = []
        if any(a > b for a, b in ranges) or any(b >= c for (_, b), (c, _) in itertools.pairwise(ranges)):
            objections.append("ranges overlap or are out of order")
        count = sum(b - a + 1 for a, b in ranges)
        if count != int(group["count"]):
            objections.append(f"the count is {count}, not {group['count']}")
        limit = min(1 << (self.bits - group["limit"]), self.all_that_counts(group["trusted"]))
        expected = str(count) if count >= limit else None
        if group["exposed"] != expected:
            objections.append(f"exposed: {group['exposed']}, not {expected}: the limit is {limit}")
        return objections

    def within(self, blocks):
        """Whether the address is in one of the blocks: its first bits are theirs."""
        return z3.Or([self.in_block(block) for block in blocks])

    def in_block(self, block):
        text, length = block.split("/")
        length = int(length)
        if length == 0:
            return z3.BoolVal(True)
        network = int(ipaddress.ip_address(text)) >> (self.bits - length)
        return z3.Extract(self.bits - 1, self.bits - length, self.address) == network

    def example(self, claim):
        """An address for which the claim holds; None when z3 has proved that there is none."""
        self.solver.push()
        self.solver.add(claim)
        answer = self.solver.check()
        model = self.solver.model() if answer == z3.sat else None
        self.solver.pop()
        if answer == z3.unknown:
            raise SystemExit(f"z3 cannot tell: {self.solver.reason_unknown()}")
        return None if model is None else model.eval(self.address, model_completion=True).as_long()

    def text(self, address):
        return ipaddress.IPv4Address(address) if self.bits == 32 else ipaddress.IPv6Address(address)

    def all_that_counts(self, trusted):
        """How many addresses are public and not trusted: the sum of the elementary ranges between all ends, each of which
        counts as a whole or not at all, as z3 says of its first address."""
        ends = {0, 1 << self.bits}
        for block in [*trusted, *self.special]:
            network = ipaddress.ip_network(block, strict=False)
            ends |= {int(network.network_address), int(network.broadcast_address) + 1}
        counts = z3.And(self.public, z3.Not(self.within(trusted)))
        total = 0
        for first, after in itertools.pairwise(sorted(ends)):
            here = z3.substitute(counts, (self.address, z3.BitVecVal(first, self.bits)))
            total += after - first if z3.is_true(z3.simplify(here)) else 0
        return total


if __name__ == "__main__":
    main()
