import { type IpAddress, parseIpAddress } from "./ip-address.ts";

/** A network, such as `10.0.0.0/8`, or one address. IPv4 mapped to IPv6 is IPv4. */
export class Network {
  readonly #address: IpAddress;
  readonly #bits: number;

  private constructor(address: IpAddress, bits: number) {
    this.#address = address;
    this.#bits = bits;
  }

  /** @throws {RangeError} for a text that is neither a network nor an address. */
  static parse(text: string): Network {
    const [start = "", prefix, ...rest] = text.split("/");
    const address = parseIpAddress(start);
    const bits = address && prefixBits(address, start, prefix);
    if (!address || bits === undefined || rest.length) {
      throw new RangeError(
        `${JSON.stringify(text)} is neither a network such as 10.0.0.0/8 nor an address`,
      );
    }
    return new Network(address, bits);
  }

  contains(address: IpAddress): boolean {
    if (address.length !== this.#address.length) {
      return false;
    }
    for (let index = 0, bits = this.#bits; bits > 0; index++, bits -= 8) {
      const mask = bits >= 8 ? 255 : 256 - (1 << (8 - bits));
      if (((address[index] as number) ^ (this.#address[index] as number)) & mask) {
        return false;
      }
    }
    return true;
  }
}

/** The length of a network's prefix, in bits of the address. */
function prefixBits(
  address: IpAddress,
  text: string,
  prefix: string | undefined,
): number | undefined {
  const size = 8 * address.length;
  if (prefix === undefined) {
    return size;
  }
  // The prefix of a mapped IPv4 address is one of IPv6.
  const bits = Number(prefix) - (size === 32 && text.includes(":") ? 96 : 0);
  return /^\d{1,3}$/.test(prefix) && bits >= 0 && bits <= size ? bits : undefined;
}
