// Completes a deferred task from anywhere: a web hook, a command, another worker.
import { Problem, readHandle, type Report, report } from "./contract.js";
import { Link } from "./link.js";

async function publish(handle: string, { kind, body }: Report, url?: string): Promise<void> {
  const link = await Link.open(url, "complete", 1);
  try {
    await link.publish({ kind, body, ...readHandle(handle) }, true);
  } finally {
    await link.close();
  }
}

/** `handle` is the `task.handle` of a task whose handler returned `Deferred`. Resolves once the broker has the result. */
export function complete(handle: string, result: unknown = null, url?: string): Promise<void> {
  return publish(handle, report("completed", result), url);
}

export function fail(handle: string, problem: Problem, url?: string): Promise<void> {
  return publish(handle, report("failed", problem), url);
}
