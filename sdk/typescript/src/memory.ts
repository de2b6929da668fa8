// What a worker found out under which idempotency key. A task may come twice (after a crash, a time-out, a lost answer);
// the second time its result is answered from here and the handler is not called.
import { mkdir, open, readdir, readFile, rename, stat, unlink } from "node:fs/promises";
import { createHash } from "node:crypto";
import path from "node:path";

/** Values are the JSON texts of results. Your own may keep them where the work is done, in one transaction. */
export interface Memory {
  get(key: string): Promise<string | undefined> | string | undefined;
  put(key: string, result: string): Promise<void> | void;
}

/** Remembers nothing. */
export class NoMemory implements Memory {
  get(): undefined {
    return undefined;
  }

  put(): void {}
}

/** The newest results, at most `limit` with together `charactersMax`; forgotten with the process. */
export class ProcessMemory implements Memory {
  private readonly results = new Map<string, string>();
  private characters = 0;

  constructor(private readonly limit = 10_000, private readonly charactersMax = 64 * 1024 * 1024) {}

  get(key: string): string | undefined {
    return this.results.get(key);
  }

  put(key: string, result: string): void {
    this.characters += result.length - (this.results.get(key)?.length ?? 0);
    this.results.delete(key);
    this.results.set(key, result);
    for (const [oldest, value] of this.results) {
      if (this.results.size <= this.limit && this.characters <= this.charactersMax) break;
      this.results.delete(oldest);
      this.characters -= value.length;
    }
  }
}

/** A folder that outlives the process, one file per key; workers on one machine may share it. Kept for `keep` ms. */
export class FolderMemory implements Memory {
  private nextClean = 0;
  private written = 0;

  constructor(private readonly folder: string, private readonly keep = 30 * 86400_000) {}

  private file(key: string): string {
    return path.join(this.folder, createHash("sha256").update(key).digest("hex") + ".json");
  }

  async get(key: string): Promise<string | undefined> {
    try {
      const file = this.file(key);
      return Date.now() - (await stat(file)).mtimeMs < this.keep ? await readFile(file, "utf8") : undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  async put(key: string, result: string): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    const file = this.file(key);
    const draft = `${file}.${process.pid}.${++this.written}`;
    const handle = await open(draft, "w", 0o600);
    try {
      await handle.writeFile(result);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, file);
    const folder = await open(this.folder, "r");
    try {
      await folder.sync();  // without it the file's name may be lost with the machine's power
    } finally {
      await folder.close();
    }
    if (Date.now() > this.nextClean) {
      this.nextClean = Date.now() + 3600_000;
      await this.clean();
    }
  }

  private async clean(): Promise<void> {
    for (const name of await readdir(this.folder)) {
      const file = path.join(this.folder, name);
      try {
        if (Date.now() - (await stat(file)).mtimeMs >= this.keep) await unlink(file);
      } catch {
        // another worker was faster
      }
    }
  }
}
