import type { RequestState } from "./request-checks.ts";

const STATE: unique symbol = Symbol("ratelog");

interface Holder {
  [STATE]?: RequestState;
}

/** The states of requests that do not keep the property: frozen ones, proxies, and copies of others. */
const states: WeakMap<object, RequestState> = new WeakMap();

/** Returns the state of a request, and `undefined` if it has none. */
export function stateOf(request: object): RequestState | undefined {
  const state = propertyOf(request);
  // Copies of a request, and objects with it as their prototype, have its property.
  return state?.owner === request ? state : states.get(request);
}

/** Keeps the state of its request. */
export function keepState(state: RequestState): void {
  const request = state.owner;
  if (propertyOf(request) === undefined) {
    try {
      holderOf(request)[STATE] = state;
    } catch {
      // It takes no properties.
    }
  }
  if (propertyOf(request) !== state) {
    states.set(request, state);
  }
}

function propertyOf(request: object): RequestState | undefined {
  try {
    return holderOf(request)[STATE];
  } catch {
    return undefined;
  }
}

/**
 * The object that has the property: the state of a stream of Node, else the request. Express gives each request another
 * prototype, and V8 copies the hidden class of such an object for each new property. The garbage collector takes longer
 * for entries of a `WeakMap`.
 */
function holderOf(request: object): Holder {
  const { _readableState: stream } = request as { readonly _readableState?: unknown };
  return typeof stream === "object" && stream !== null ? stream : request;
}
