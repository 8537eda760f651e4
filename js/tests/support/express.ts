import type { RequestListener } from "node:http";
import express from "express";
import express4 from "express4";

/** The versions of Express whose middleware is tested. Their applications have the same methods. */
export const versions: [name: string, create: () => ReturnType<typeof express>][] = [
  ["Express 5", express],
  ["Express 4", express4],
];

/** An application as a listener of Node's server. */
export function listener(app: ReturnType<typeof express>): RequestListener {
  return app as unknown as RequestListener;
}
