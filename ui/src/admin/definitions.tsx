// Definitions down and up: everything that the broker is made of, without messages, in RabbitMQ's format.
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { get, post } from "../api";
import { plural } from "../format";
import { ask, Failure, Page, Panel } from "../parts";

type Definitions = Record<string, unknown[] | unknown>;
const parts = ["vhosts", "users", "permissions", "topic_permissions", "parameters", "global_parameters", "policies", "queues", "exchanges", "bindings"];
const counted = (all: Definitions): string[] => parts.filter((part) => Array.isArray(all[part]) && (all[part] as unknown[]).length > 0).map((part) => plural((all[part] as unknown[]).length, part.replaceAll("_", " ").replace(/ies$/, "y").replace(/s$/, ""), part.replaceAll("_", " ")));

export function Definitions(): JSX.Element {
  const failure = useSignal<unknown>(null);
  const download = async (): Promise<void> => {
    failure.value = null;
    try {
      const all = await get<Definitions>("/api/definitions");
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([JSON.stringify(all, null, 2)], { type: "application/json" }));
      link.download = `baton-definitions-${new Date().toISOString().slice(0, 10)}.json`;
      link.click();
      URL.revokeObjectURL(link.href);
    } catch (error) {
      failure.value = error;
    }
  };
  const upload = async (file: File): Promise<void> => {
    failure.value = null;
    try {
      const all = JSON.parse(await file.text()) as Definitions;
      ask({
        title: `Bring in ${file.name}`,
        preview: <><p>What is named there is made or changed; nothing is removed, and queues and exchanges that exist stay as they are.</p><ul>{counted(all).map((part) => <li key={part}>{part}</li>)}</ul></>,
        verb: "Bring in",
        run: async () => {
          await post("/api/definitions", all);
          return `Brought in: ${counted(all).join(", ")}.`;
        },
      });
    } catch (error) {
      failure.value = error instanceof SyntaxError ? `${file.name} is no JSON: ${error.message}` : error;
    }
  };
  return (
    <Page title="Definitions">
      <div class="two">
        <Panel title="Down">
          <p class="sentence">Users with the hashes of their passwords, virtual hosts, permissions, policies, queues, exchanges and bindings, as RabbitMQ writes them. Messages, runs and workflows are not in it: <code>baton backup</code> has these.</p>
          <button type="button" class="primary" onClick={() => void download()}>Download definitions</button>
        </Panel>
        <Panel title="Up">
          <p class="sentence">A file from here or from RabbitMQ's own page.</p>
          <label class="field"><span>File of definitions</span>
            <input type="file" accept=".json,application/json" onChange={(event) => {
              const file = event.currentTarget.files?.[0];
              if (file) void upload(file);
              event.currentTarget.value = "";
            }} />
          </label>
        </Panel>
      </div>
      <Failure of={failure.value} />
    </Page>
  );
}
