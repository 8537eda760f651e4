/** The parts of a request that all frameworks have. */
export interface RequestHead {
  readonly method: string;
  /** The path, without the query. */
  readonly path: string;
  /** The address of the peer, if it has one. */
  readonly peer: string | undefined;
  /** Returns the value of a header, with its lines joined by commas. */
  header(name: string): string | undefined;
}
