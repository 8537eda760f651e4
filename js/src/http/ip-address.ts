/** The bytes of an IP address, 4 or 16. IPv4 mapped to IPv6 is IPv4. */
export type IpAddress = readonly number[];

/** Parses an address as RFC 4291 and inet_pton define it, without a port, a zone or leading zeros of IPv4. */
export function parseIpAddress(text: string): IpAddress | undefined {
  return parseIpv4(text) ?? canonical(parseIpv6(text));
}

/** Parses an address. Some proxies write it with a port, or in brackets. */
export function parseHost(text: string): IpAddress | undefined {
  const [, ipv6, ipv4, port = "0"] =
    /^(?:\[([\da-f:.]+)\]|([\d.]+))(?::(\d{1,5}))?$/i.exec(text) ?? [];
  if (ipv4 !== undefined) {
    return Number(port) < 2 ** 16 ? parseIpv4(ipv4) : undefined;
  }
  if (ipv6 !== undefined) {
    return Number(port) < 2 ** 16 ? canonical(parseIpv6(ipv6)) : undefined;
  }
  return canonical(parseIpv6(text));
}

/**
 * The network that identifies a client, as text: `192.0.2.1`, or `2001:db8:0:1::/64`. An IPv6 customer has at least a
 * network of 64 bits, and a client can use any address in it.
 */
export function clientNetwork(address: IpAddress): string {
  if (address.length === 4) {
    return address.join(".");
  }
  const groups: number[] = [];
  for (let index = 0; index < 8; index += 2) {
    groups.push(((address[index] as number) << 8) | (address[index + 1] as number));
  }
  while (groups.at(-1) === 0) {
    groups.pop();
  }
  return `${groups.map((group) => group.toString(16)).join(":")}::/64`;
}

function parseIpv4(text: string): IpAddress | undefined {
  const parts = text.split(".");
  const bytes = parts.map(Number);
  return parts.length === 4 &&
    parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part)) &&
    bytes.every((byte) => byte < 256)
    ? bytes
    : undefined;
}

function parseIpv6(text: string): IpAddress | undefined {
  const halves = text.split("::");
  const [head, tail] = halves.map((half, index) => parseGroups(half, index === halves.length - 1));
  if (!head || halves.length > 2) {
    return undefined;
  }
  if (halves.length === 1) {
    return head.length === 16 ? head : undefined;
  }
  // `::` is at least one group of zeros.
  if (!tail || head.length + tail.length > 14) {
    return undefined;
  }
  return [...head, ...Array<number>(16 - head.length - tail.length).fill(0), ...tail];
}

/** The bytes of groups between colons, of which the last one may be an IPv4 address. */
function parseGroups(text: string, isLast: boolean): number[] | undefined {
  const bytes: number[] = [];
  const groups = text ? text.split(":") : [];
  for (const [index, group] of groups.entries()) {
    if (/^[\da-f]{1,4}$/i.test(group)) {
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 255);
      continue;
    }
    const ipv4 = isLast && index === groups.length - 1 ? parseIpv4(group) : undefined;
    if (!ipv4) {
      return undefined;
    }
    bytes.push(...ipv4);
  }
  return bytes;
}

function canonical(address: IpAddress | undefined): IpAddress | undefined {
  const isMapped = address?.slice(0, 12).every((byte, index) => byte === (index < 10 ? 0 : 255));
  return isMapped ? address?.slice(12) : address;
}
