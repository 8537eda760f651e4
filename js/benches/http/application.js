import { fork } from "node:child_process";
import { once } from "node:events";

/** An application with one limiter, in a process of its own. */
export class Application {
  url;
  #process;

  static async start(framework, variant, redisPort) {
    const application = new Application();
    const env = { ...process.env, NODE_ENV: "production" };
    Object.assign(env, { FRAMEWORK: framework, VARIANT: variant, REDIS_PORT: redisPort });
    application.#process = fork(new URL("app.js", import.meta.url), { env });
    const [{ port }] = await once(application.#process, "message");
    application.url = `http://127.0.0.1:${port}/`;
    return application;
  }

  /** The CPU time that the process has used, in microseconds. */
  async cpuMicros() {
    this.#process.send("cpu");
    const [{ cpuMicros }] = await once(this.#process, "message");
    return cpuMicros;
  }

  async stop() {
    const exited = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await exited;
  }
}
