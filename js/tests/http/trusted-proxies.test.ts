import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { clientNetwork, parseIpAddress } from "../../src/http/ip-address.ts";
import { Network } from "../../src/http/network.ts";
import { type ProxyHeader, TrustedProxies } from "../../src/http/trusted-proxies.ts";

const NETWORKS = ["10.0.0.0/8", "2001:db8::7", "::ffff:192.0.2.0/120"];

/** The client's network, of which the /64 is left out, in a request from a peer with these lines. */
function client(header: string, peer: string | undefined, lines: string[], networks = NETWORKS) {
  const proxies = new TrustedProxies(networks, header as ProxyHeader);
  const value = lines.length ? lines.join(", ") : undefined;
  return proxies.clientNetwork({ peer, header: (name) => (name === header ? value : undefined) });
}

describe("addresses", () => {
  test.each([
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::FFFF:c000:201", "192.0.2.1"],
    ["2001:db8:0:1::", "2001:db8:0:1::/64"],
    ["2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:1::/64"],
    ["2001:DB8:0:2::1", "2001:db8:0:2::/64"],
    ["1:2:3:4:5:6:1.2.3.4", "1:2:3:4::/64"],
    ["::", "::/64"],
    ["::1", "::/64"],
    ["0:0:0:1::", "0:0:0:1::/64"],
    ["1::", "1::/64"],
    ["64:ff9b::192.0.2.33", "64:ff9b::/64"],
  ])("%s belongs to one network however it is written", (text, network) => {
    expect(clientNetwork(parseIpAddress(text) ?? [])).toBe(network);
  });

  test.each([
    "",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "01.2.3.4",
    "1.2.3.4 ",
    "1.2.3.-4",
    "0x1.2.3.4",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7::8:9",
    "1:2:3:4::5:6:7:8",
    "12345::",
    "g::",
    "::1.2.3.4:5",
    "1.2.3.4::",
    "fe80::1%eth0",
    "[::1]",
  ])("%j is no address", (text) => {
    expect(parseIpAddress(text)).toBeUndefined();
  });

  test("the parser accepts the addresses that URL accepts", () => {
    const group = fc.integer({ min: 0, max: 0xffff }).map((value) => value.toString(16));
    const part = fc.array(fc.oneof(group, fc.constant("")), { maxLength: 9 });
    fc.assert(
      fc.property(part, (groups) => {
        const text = groups.join(":");
        const isAddress = URL.canParse(`http://[${text}]/`);
        expect([text, parseIpAddress(text) !== undefined]).toEqual([text, isAddress]);
      }),
    );
  });
});

describe("networks", () => {
  test.each([
    "10.0.0.0/33",
    "10.0.0/8",
    "proxy.example.com",
    "",
    "10.0.0.0/",
    "::/129",
    "::ffff:1.2.3.4/95",
    "1.2.3.4/8/8",
    "10.0.0.0/-1",
  ])("%j is neither a network nor an address", (text) => {
    expect(() => new TrustedProxies([text], "forwarded")).toThrow(
      new RangeError(`"${text}" is neither a network such as 10.0.0.0/8 nor an address`),
    );
  });

  test("a network contains the addresses with its prefix", () => {
    fc.assert(
      fc.property(fc.nat(2 ** 32 - 1), fc.nat(2 ** 32 - 1), fc.nat(32), (start, other, bits) => {
        const text = (value: number) =>
          [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join(".");
        const prefix = (value: number) => BigInt(value) >> BigInt(32 - bits);
        const network = Network.parse(`${text(start)}/${bits}`);
        expect(network.contains(parseIpAddress(text(other)) ?? [])).toBe(
          prefix(start) === prefix(other),
        );
        expect(network.contains(parseIpAddress("::1") ?? [])).toBe(false);
      }),
    );
    expect(Network.parse("::/0").contains(parseIpAddress("2001:db8::1") ?? [])).toBe(true);
  });
});

describe("proxies", () => {
  test.each([
    // Only a trusted peer's headers are read.
    ["198.51.100.1", ["203.0.113.1", ""], "198.51.100.1"],
    ["10.0.0.1", [], "10.0.0.1"],
    ["10.0.0.1", ["203.0.113.1"], "203.0.113.1"],
    ["10.0.0.1", ["198.51.100.7, 203.0.113.1,10.0.0.2"], "203.0.113.1"],
    // Several lines are one list.
    ["10.0.0.1", ["203.0.113.1", "10.0.0.3, 10.0.0.2"], "203.0.113.1"],
    ["10.0.0.1", ["203.0.113.1", "203.0.113.2"], "203.0.113.2"],
    // All are proxies: the leftmost is the client.
    ["10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"],
    // An entry that is no address ends the search.
    ["10.0.0.1", ["203.0.113.1, unknown, 10.0.0.2"], "10.0.0.2"],
    ["10.0.0.1", ["203.0.113.1, , 10.0.0.2"], "10.0.0.2"],
    ["10.0.0.1", [", 10.0.0.2"], "10.0.0.2"],
    ["10.0.0.1", [""], "10.0.0.1"],
    ["10.0.0.1", ["203.0.113.1, 10.0.0.2:x"], "10.0.0.1"],
    ["10.0.0.1", ["203.0.113.1, 10.0.0.2:99999"], "10.0.0.1"],
    ["10.0.0.1", ["203.0.113.1, [2001:db8::7]:99999"], "10.0.0.1"],
    ["10.0.0.1", ["203.0.113.1, 010.0.0.2"], "10.0.0.1"],
    // Some proxies add a port or brackets.
    ["10.0.0.1", ["203.0.113.1:4711"], "203.0.113.1"],
    ["10.0.0.1", ["[2001:db8::1]:4711, [2001:db8::7]"], "2001:db8::/64"],
    ["::ffff:10.0.0.1", ["2001:db8::1, 2001:db8::7"], "2001:db8::/64"],
    ["10.0.0.1", ["203.0.113.1, ::ffff:10.0.0.2, 192.0.2.9"], "203.0.113.1"],
    ["fe80::1%eth0", ["203.0.113.1"], "fe80::/64"],
  ])("x-forwarded-for is read from the right: %s %j", (peer, lines, expected) => {
    expect(client("x-forwarded-for", peer, lines)).toBe(expected);
  });

  test.each([
    [["for=203.0.113.1;proto=https;by=10.0.0.1"], "203.0.113.1"],
    [['For="[2001:db8::1]:4711", for=10.0.0.2'], "2001:db8::/64"],
    [["for=203.0.113.1", "for=10.0.0.3,for=10.0.0.2"], "203.0.113.1"],
    [["for=203.0.113.1, for=unknown"], "10.0.0.1"],
    [["for=203.0.113.1, for=_hidden, for=10.0.0.2"], "10.0.0.2"],
    [["for=203.0.113.1, proto=https"], "10.0.0.1"],
    [["for=203.0.113.1, for"], "10.0.0.1"],
    [["for=2001:db8::1"], "10.0.0.1"],
    [["for=::1"], "10.0.0.1"],
    // A quote that the client left open does not hide the entry that the proxy appended.
    [['for="198.51.100.1, for=203.0.113.1'], "203.0.113.1"],
    // The proxy copied a host that the client made up.
    [['for=203.0.113.1;host="x, for=198.51.100.1"'], "10.0.0.1"],
    [['for=203.0.113.1;host="x, for=198.51.100.1;a="'], "10.0.0.1"],
    [['for=203.0.113.1;host="x\\", for=198.51.100.1;a=\\""'], "10.0.0.1"],
    [["for=203.0.113.1;host=x;for=198.51.100.1"], "10.0.0.1"],
  ])("forwarded is read from the right: %j", (lines, expected) => {
    expect(client("forwarded", "10.0.0.1", lines)).toBe(expected);
  });

  test.each(["cf-connecting-ip", "x-real-ip", "true-client-ip", "fly-client-ip"])(
    "%s has one address",
    (header) => {
      for (const [peer, lines, expected] of [
        ["198.51.100.1", ["203.0.113.1"], "198.51.100.1"],
        ["10.0.0.1", [], "10.0.0.1"],
        ["10.0.0.1", [" 203.0.113.1\t"], "203.0.113.1"],
        ["10.0.0.1", ["2001:db8::1"], "2001:db8::/64"],
        ["10.0.0.1", ["::ffff:203.0.113.1"], "203.0.113.1"],
        // The client may be a trusted proxy itself.
        ["10.0.0.1", ["10.0.0.2"], "10.0.0.2"],
        // Neither several lines nor a list says which of them the proxy wrote.
        ["10.0.0.1", ["203.0.113.1", "203.0.113.2"], "10.0.0.1"],
        ["10.0.0.1", ["203.0.113.1", ""], "10.0.0.1"],
        ["10.0.0.1", ["unknown"], "10.0.0.1"],
        ["10.0.0.1", ["203.0.113.256"], "10.0.0.1"],
      ] as const) {
        expect(client(header, peer, [...lines]), `${peer} ${lines}`).toBe(expected);
      }
    },
  );

  test("a peer on a Unix socket reports a client only if it is trusted to", () => {
    const lines = ["198.51.100.9, 203.0.113.1"];
    expect(client("x-forwarded-for", undefined, lines)).toBeUndefined();
    expect(client("x-forwarded-for", "", lines, ["unix"])).toBe("203.0.113.1");
    expect(client("x-forwarded-for", undefined, ["unknown"], ["unix"])).toBeUndefined();
    expect(client("x-forwarded-for", "nonsense", lines, ["unix"])).toBeUndefined();
  });

  test("a long header is read in linear time", () => {
    for (const piece of [" ", "\t,", ",", ":", "1.", "[", "for=", ";", "10.0.0.1,"]) {
      const line = `${piece.repeat(200_000)}x`;
      expect(client("x-forwarded-for", "10.0.0.1", [line])).toBe("10.0.0.1");
      expect(client("forwarded", "10.0.0.1", [line])).toBe("10.0.0.1");
    }
  });

  test("an unknown header is an error", () => {
    expect(() => new TrustedProxies([], "X-Real-IP" as ProxyHeader)).toThrow(
      "proxyHeader must be one of x-forwarded-for, forwarded, cf-connecting-ip, x-real-ip, true-client-ip, fly-client-ip, not 'X-Real-IP'",
    );
  });

  test("nothing that a client sends hides an entry that a proxy appends", () => {
    const sent = fc.string({
      unit: fc.integer({ min: 32, max: 126 }).map((code) => String.fromCharCode(code)),
    });
    fc.assert(
      fc.property(sent, (text) => {
        expect(client("forwarded", "10.0.0.1", [`${text},for=203.0.113.1`])).toBe("203.0.113.1");
        expect(client("x-forwarded-for", "10.0.0.1", [`${text},203.0.113.1`])).toBe("203.0.113.1");
      }),
    );
  });

  test("nothing that a proxy quotes is taken for an address", () => {
    const piece = fc.constantFrom(
      "a",
      ",",
      " ",
      ";",
      "=",
      '"',
      "\\",
      ", for=198.51.100.1",
      ";for=198.51.100.1",
      ";a=",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const quoted = pieces.join("").replaceAll("\\", "\\\\").replaceAll('"', '\\"');
        const found = client("forwarded", "10.0.0.1", [`for=203.0.113.1;host="${quoted}"`]);
        expect(["203.0.113.1", "10.0.0.1"]).toContain(found);
      }),
    );
  });
});
