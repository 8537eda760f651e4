import { checksOf, rateLimit } from "../../../src/web/index.ts";
import { type AnyOptions, type AnyRequest, convert, type Framework, refund } from "./framework.ts";
import { withFetch } from "./node-server.ts";

export const ofWeb: Framework = {
  name: "Request",
  async run({ all, user }, use) {
    const limited = (options: AnyOptions | undefined) => {
      const toAny = (request: Request): AnyRequest => ({
        header: (name) => request.headers.get(name) ?? undefined,
        query: (key) => new URL(request.url).searchParams.get(key) ?? undefined,
      });
      return (
        options &&
        rateLimit({
          ...convert(options, toAny),
          ...(options.denied && {
            onDenied: () =>
              new Response(options.denied?.text, {
                headers: { "Retry-After": options.denied?.retryAfter ?? "" },
              }),
          }),
        })
      );
    };
    const [limitAll, limitUser] = [limited(all), limited(user)];
    const respond = async (request: Request): Promise<Response> => {
      const { pathname, searchParams } = new URL(request.url);
      switch (pathname) {
        case "/search":
          return new Response("found");
        case "/health":
          return new Response("well");
        case "/login":
          return new Response("", { status: Number(searchParams.get("status")) });
        case "/refund":
          return new Response(await refund(checksOf(request)));
        case "/own":
          return new Response("", { headers: { "Access-Control-Expose-Headers": "ETag" } });
        case "/stream":
          return await fetch("data:text/plain,one%2Ctwo");
        case "/error":
          return new Response("failed", { status: 500 });
        default: {
          const isUser = /^\/users\/[^/]+$/.test(pathname);
          return new Response(isUser ? "user" : "missing", { status: isUser ? 200 : 404 });
        }
      }
    };
    const handle = async (request: Request, address: string | undefined): Promise<Response> => {
      const first = await limitAll?.(request, { address });
      if (first?.denied) {
        return first.denied;
      }
      const isUser = new URL(request.url).pathname.startsWith("/users/");
      const second = isUser
        ? await limitUser?.(request, { address, route: "/users/:id" })
        : undefined;
      const checked = second ?? first;
      if (checked?.denied) {
        return checked.denied;
      }
      const response = await respond(request);
      return checked ? await checked.finish(response) : response;
    };
    await withFetch((request, env) => handle(request, env.incoming.socket.remoteAddress), use);
  },
};
