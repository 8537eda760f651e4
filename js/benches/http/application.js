import { fork } from "node:child_process";
import { once } from "node:events";

/** An application with one limiter, in a process of its own. */
export class Application {
  url;
  #process;
  /** Rejects when the process has ended. */
  #ended;

  static async start(framework, variant, redisPort) {
    const application = new Application();
    const env = { ...process.env, NODE_ENV: "production" };
    Object.assign(env, { FRAMEWORK: framework, VARIANT: variant, REDIS_PORT: redisPort });
    application.#process = fork(new URL("app.js", import.meta.url), { env });
    application.#ended = once(application.#process, "exit").then(([code]) => {
      throw new Error(`${framework} with ${variant} has exited with ${code}`);
    });
    application.#ended.catch(() => {});
    const { port } = await application.#message();
    application.url = `http://127.0.0.1:${port}/`;
    return application;
  }

  /** The CPU time that the process has used, in microseconds. */
  async cpuMicros() {
    this.#process.send("cpu");
    const { cpuMicros } = await this.#message();
    return cpuMicros;
  }

  async stop() {
    this.#process.kill("SIGKILL");
    await this.#ended.catch(() => {});
  }

  async #message() {
    const [message] = await Promise.race([once(this.#process, "message"), this.#ended]);
    return message;
  }
}
