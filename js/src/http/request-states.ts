import type { RequestState } from "./request-checks.ts";

const STATE: unique symbol = Symbol("ratelog");

interface Holder {
  [STATE]?: RequestState;
}

/** The states of requests that no object holds: those of frozen requests, and of proxies. */
const states: WeakMap<object, RequestState> = new WeakMap();

/** Returns the state of a request, and `undefined` if it has none. */
export function stateOf(request: object): RequestState | undefined {
  return (
    heldFor(request, holderOf(request, "_readableState")) ??
    heldFor(request, holderOf(request, "rawHeaders")) ??
    heldFor(request, request) ??
    states.get(request)
  );
}

/** Keeps the state of its request. */
export function keepState(state: RequestState): void {
  const request = state.owner;
  const isInStream = hold(holderOf(request, "_readableState"), state);
  const isInHeaders = hold(holderOf(request, "rawHeaders"), state);
  if (!isInStream && !isInHeaders && !hold(request, state)) {
    states.set(request, state);
  }
}

/**
 * An object of a request of Node that holds its state in place of the request. There are two, because applications replace
 * one or the other.
 *
 * Express gives each request another prototype, and V8 copies the hidden class of such an object for each new property. A
 * `WeakMap` costs as much, because the garbage collector takes longer for its entries.
 */
function holderOf(
  request: { readonly [name in HolderName]?: unknown },
  name: HolderName,
): Holder | undefined {
  try {
    const value = request[name];
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

type HolderName = "_readableState" | "rawHeaders";

/** The state that an object holds, if it is that of the request: copies of a request have its objects, too. */
function heldFor(request: object, holder: Holder | undefined): RequestState | undefined {
  const state = heldBy(holder);
  return state?.owner === request ? state : undefined;
}

function heldBy(holder: Holder | undefined): RequestState | undefined {
  try {
    return holder?.[STATE];
  } catch {
    return undefined;
  }
}

/** Makes an object hold a state, unless it holds another. Returns whether it does. */
function hold(holder: Holder | undefined, state: RequestState): boolean {
  if (holder && heldBy(holder) === undefined) {
    try {
      holder[STATE] = state;
    } catch {
      // It takes no properties.
    }
  }
  return heldBy(holder) === state;
}
