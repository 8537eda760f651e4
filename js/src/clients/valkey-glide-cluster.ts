import { Reply } from "../limiter/reply.ts";
import type { ClusterConnection } from "./connection.ts";
import { type GlideClient, isOpen, sendByGlide } from "./valkey-glide.ts";

/** A range of slots, and the address of their owner. */
interface SlotRange {
  readonly first: number;
  readonly last: number;
  readonly owner: string;
}

/**
 * valkey-glide, with a cluster. The library routes commands, but does not say where to, so this reads the topology too:
 * at the start, after each error, and before commands to all shards.
 */
export class GlideClusterConnection implements ClusterConnection {
  readonly isCluster = true;
  readonly #client: GlideClient;
  #ranges: readonly SlotRange[] = [];
  #reading: Promise<void> | undefined;

  constructor(client: GlideClient) {
    this.#client = client;
  }

  shardOf(slot: number): string | undefined {
    if (!this.#ranges.length) {
      this.#readTopology();
    }
    return this.#ranges.find(({ first, last }) => first <= slot && slot <= last)?.owner;
  }

  shards(): readonly string[] {
    return [...new Set(this.#ranges.map(({ owner }) => owner))];
  }

  refresh(): Promise<void> {
    return this.#readTopology();
  }

  isReady(): boolean {
    return isOpen(this.#client);
  }

  async send(command: readonly string[], key: string): Promise<unknown> {
    try {
      return await sendByGlide(this.#client, command, { route: { type: "primarySlotKey", key } });
    } catch (error) {
      this.#readTopology();
      throw error;
    }
  }

  async probe(command: readonly string[], key: string): Promise<unknown> {
    await this.#readTopology();
    return this.send(command, key);
  }

  /** Reads the topology, unless it is being read. Keeps the old one if no node answers. */
  #readTopology(): Promise<void> {
    this.#reading ??= this.#read()
      .catch(() => {})
      .finally(() => {
        this.#reading = undefined;
      });
    return this.#reading;
  }

  async #read(): Promise<void> {
    const command = ["CLUSTER", "SLOTS"];
    const reply = await sendByGlide(this.#client, command, { route: "randomNode" });
    this.#ranges = new Reply("CLUSTER SLOTS", reply).list().map((row) => {
      const [first, last, primary] = row.list();
      const [host, port] = (primary as Reply).list();
      return {
        first: (first as Reply).integer(),
        last: (last as Reply).integer(),
        owner: `${host?.isNull ? "" : host?.text()}:${port?.integer()}`,
      };
    });
  }
}
