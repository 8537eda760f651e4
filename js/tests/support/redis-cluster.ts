import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { hashSlot, SLOT_COUNT } from "../../src/limiter/hash-slot.ts";
import { freePort, RedisServer } from "./redis-server.ts";

/** A real cluster: each of the primaries owns an equal range of slots. */
export class RedisCluster {
  readonly primaries: readonly RedisServer[];
  readonly replicas: readonly RedisServer[];

  private constructor(primaries: readonly RedisServer[], replicas: readonly RedisServer[]) {
    this.primaries = primaries;
    this.replicas = replicas;
  }

  static async start({
    primaries = 3,
    replicas = 0,
    withModule = primaries + replicas,
  }: {
    primaries?: number;
    replicas?: number;
    /** The number of nodes that have the module: the first ones. */
    withModule?: number;
  } = {}): Promise<RedisCluster> {
    const starts = await Promise.allSettled(
      Array.from({ length: primaries + replicas }, (_, n) => startNode(n < withModule)),
    );
    const nodes = starts.flatMap((start) => (start.status === "fulfilled" ? start.value : []));
    const cluster = new RedisCluster(nodes.slice(0, primaries), nodes.slice(primaries));
    try {
      const failed = starts.find((start) => start.status === "rejected");
      if (failed) {
        throw failed.reason;
      }
      await cluster.#join();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  get ports(): number[] {
    return this.primaries.map(({ port }) => port);
  }

  /** The index of the primary that owned a key's slot at the start. */
  ownerOf(key: string): number {
    return Math.floor((hashSlot(key) * this.primaries.length) / SLOT_COUNT);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.primaries, ...this.replicas].map((node) => node.stop()));
  }

  async #join(): Promise<void> {
    const all = [...this.primaries, ...this.replicas];
    const clients = all.map(({ url }) => new Redis(url));
    try {
      const [first] = this.primaries as [RedisServer];
      for (const [index, client] of clients.entries()) {
        if (index < this.primaries.length) {
          const start = (n: number) => Math.ceil((n * SLOT_COUNT) / this.primaries.length);
          await client.call(
            "CLUSTER",
            "ADDSLOTSRANGE",
            String(start(index)),
            String(start(index + 1) - 1),
          );
        }
        const bus = String(first.busPort);
        await client.call("CLUSTER", "MEET", "127.0.0.1", String(first.port), bus);
      }
      await until(async () => {
        const known = await Promise.all(clients.map((client) => client.cluster("INFO")));
        return known.every((info) => String(info).includes(`cluster_known_nodes:${all.length}`));
      });
      const ids = await Promise.all(clients.map((client) => client.cluster("MYID")));
      for (const [index] of this.replicas.entries()) {
        const replica = clients[this.primaries.length + index];
        await replica?.call("CLUSTER", "REPLICATE", String(ids[index]));
      }
      await until(async () => {
        const infos = await Promise.all(clients.map((client) => client.cluster("INFO")));
        const links = await Promise.all(
          clients.slice(this.primaries.length).map((client) => client.info("replication")),
        );
        return (
          infos.every((info) => String(info).includes("cluster_state:ok")) &&
          links.every((link) => link.includes("master_link_status:up"))
        );
      });
    } finally {
      for (const client of clients) {
        client.disconnect();
      }
    }
  }
}

async function startNode(hasModule: boolean): Promise<RedisServer> {
  const busPort = await freePort();
  const options = ["--cluster-enabled", "yes", "--cluster-port", String(busPort)];
  // A shard that is lost does not stop the others.
  options.push("--cluster-require-full-coverage", "no", "--cluster-node-timeout", "1000");
  return RedisServer.start({ hasModule, options, busPort });
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let n = 0; n < 1000; n++) {
    if (await condition()) {
      return;
    }
    await sleep(20);
  }
  throw new Error("the cluster did not form");
}
