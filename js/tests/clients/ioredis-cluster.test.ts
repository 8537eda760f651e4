import { expect, test } from "vitest";
import { IoredisClusterConnection } from "../../src/clients/ioredis-cluster.ts";
import { Deadline } from "../../src/limiter/deadline.ts";

test("a command whose time is over is not sent again after a redirect", async () => {
  let answer = (_: Error) => {};
  const sent: string[] = [];
  const node = {
    status: "ready",
    options: { host: "192.0.2.1", port: 6379 },
    call: (name: string) => {
      sent.push(`node ${name}`);
      return new Promise((_, reject) => {
        answer = reject;
      });
    },
  };
  const cluster = {
    isCluster: true,
    status: "ready",
    slots: Array.from({ length: 16_384 }, () => ["192.0.2.1:6379"]),
    nodes: () => [node],
    call: async (name: string) => {
      sent.push(`cluster ${name}`);
      return "OK";
    },
  };
  const connection = new IoredisClusterConnection(cluster as never);
  const moved = new Error("MOVED 1 192.0.2.2:6379");
  const inTime = Deadline.run(10_000, (deadline) => connection.send(["GET"], "k", deadline));
  answer(moved);
  expect(await inTime).toBe("OK");
  let late: Promise<unknown> | undefined;
  const check = Deadline.run(1, (deadline) => {
    late = connection.send(["SET"], "k", deadline);
    return late;
  });
  await expect(check).rejects.toThrow("did not answer");
  answer(moved);
  await expect(late).rejects.toBe(moved);
  expect(sent).toEqual(["node GET", "cluster GET", "node SET"]);
});
