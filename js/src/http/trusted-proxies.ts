import { validateOneOf } from "../arguments.ts";
import { TextCache } from "../text-cache.ts";
import { clientNetwork, type IpAddress, parseHost, parseIpAddress } from "./ip-address.ts";
import { Network } from "./network.ts";
import type { RequestHead } from "./request-head.ts";

/**
 * The header in which proxies report the client's address. Proxies append to `x-forwarded-for` and `forwarded`. The
 * others hold one address, which the proxy nearest to the client sets.
 */
export type ProxyHeader =
  | "x-forwarded-for"
  | "forwarded"
  | "cf-connecting-ip"
  | "x-real-ip"
  | "true-client-ip"
  | "fly-client-ip";

const HEADERS: readonly ProxyHeader[] = [
  "x-forwarded-for",
  "forwarded",
  "cf-connecting-ip",
  "x-real-ip",
  "true-client-ip",
  "fly-client-ip",
];

interface Peer {
  /** The network that identifies it as a client. */
  readonly network: string | undefined;
  readonly isTrusted: boolean;
}

/**
 * Proxies that are trusted to report the client's address.
 *
 * A list of addresses is read from the right: the first that is not a trusted proxy is the client. Everything left of
 * it is ignored, because the client could have written it. If an entry is no address, the client is the address right
 * of it. A header of one address is ignored if it is invalid or occurs several times. A peer that is not trusted is the
 * client, whatever its headers are.
 */
export class TrustedProxies {
  readonly #networks: readonly Network[];
  readonly #header: ProxyHeader;
  readonly #trustsUnix: boolean;
  /** A peer sends many requests over its connection. */
  readonly #peers: TextCache<Peer> = new TextCache((text) => this.#parsePeer(text));

  /**
   * `networks` has networks and addresses, and `unix` for peers on Unix sockets.
   *
   * @throws {RangeError} for a text that is neither a network nor an address, and for an unknown header.
   */
  constructor(networks: readonly string[], header: ProxyHeader) {
    this.#trustsUnix = networks.includes("unix");
    this.#networks = networks.filter((text) => text !== "unix").map((text) => Network.parse(text));
    this.#header = validateOneOf("proxyHeader", header, HEADERS);
  }

  /**
   * The network that identifies the client. `undefined` if the peer has no address and reports none.
   *
   * A peer without an address is on a Unix socket. One whose address is not known must be a text that is no
   * address, which is never trusted.
   */
  clientNetwork(head: Pick<RequestHead, "peer" | "header">): string | undefined {
    const { network, isTrusted } = this.#peers.get(head.peer ?? "");
    const value = isTrusted ? head.header(this.#header) : undefined;
    const reported = value === undefined ? undefined : this.#reported(value);
    return reported ? clientNetwork(reported) : network;
  }

  #parsePeer(peer: string): Peer {
    // Link-local addresses may have a zone.
    const address = parseIpAddress(peer.replace(/%.*$/, ""));
    const isTrusted = address ? this.#trusts(address) : !peer && this.#trustsUnix;
    return { network: address && clientNetwork(address), isTrusted };
  }

  #reported(value: string): IpAddress | undefined {
    if (this.#header !== "x-forwarded-for" && this.#header !== "forwarded") {
      return parseHost(trim(value));
    }
    const parse = this.#header === "forwarded" ? parseElement : parseHost;
    let client: IpAddress | undefined;
    // A parser of the whole header would let the client's part change how the proxies' part is read.
    for (let end = value.length; end >= 0; ) {
      const comma = end > 0 ? value.lastIndexOf(",", end - 1) : -1;
      const address = parse(trim(value.slice(comma + 1, end)));
      if (!address) {
        break;
      }
      client = address;
      if (!this.#trusts(address)) {
        break;
      }
      end = comma;
    }
    return client;
  }

  #trusts(address: IpAddress): boolean {
    return this.#networks.some((network) => network.contains(address));
  }
}

/**
 * Parses the `for` parameter of one element of `Forwarded` (RFC 7239).
 *
 * The header was split at commas, which may have cut a quoted string in two, such as a host that a client made up. The
 * rightmost part of such a string has an unpaired or an escaped quote. It is rejected, so nothing left of it is read.
 */
function parseElement(element: string): IpAddress | undefined {
  const nodes: string[] = [];
  for (const pair of element.split(";")) {
    const [, name, token, quoted] =
      /^([!#$%&'*+.^`|~\w-]+)=(?:([^\s"\\]*)|"([^"\\]*)")$/.exec(trim(pair)) ?? [];
    if (name === undefined) {
      return undefined;
    }
    if (name.toLowerCase() === "for") {
      nodes.push(token ?? (quoted as string));
    }
  }
  // IPv6 has brackets here.
  const [node = "", ...others] = nodes;
  const isBareIpv6 = node.split(":").length > 2 && !node.startsWith("[");
  return others.length || isBareIpv6 ? undefined : parseHost(node);
}

/** Trims spaces and tabs. A regular expression for the end would take quadratic time. */
function trim(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && isBlank(text[start])) {
    start++;
  }
  while (end > start && isBlank(text[end - 1])) {
    end--;
  }
  return text.slice(start, end);
}

function isBlank(character: string | undefined): boolean {
  return character === " " || character === "\t";
}
